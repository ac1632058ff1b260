"""A real training of a few steps on the packaged embedder, begun again once it is over."""

import json
from pathlib import Path

import pytest

pytest.importorskip("trl")

from adapters.asked import Asked
from adapters.recipe import Data, Lora, SearchRecipe, SearchTraining
from adapters.resume import STATE, last_checkpoint
from adapters.tune import tune

TRAINING = {"learning_rate": 0.005, "epochs": 2, "batch_size": 4, "hard_negatives": 1, "scale": 20}
RECIPE = SearchRecipe(
    data=Data(examples=(Path("a"),), documents=Path("d"), validation=("v",), held_back=()),
    lora=Lora(rank=2, alpha=4, dropout=0),
    training=SearchTraining(**TRAINING, warmup_share=0, weight_decay=0, seed=1),
)
PASSAGES = ("It costs $3 an hour.", "From 10 a.m. to 8 p.m.", "Lunch from noon to 2 p.m.", "A copy costs $5.")
ASKED = [
    *(Asked(f"number {number}?", text, (PASSAGES[number - 1],)) for number, text in enumerate(PASSAGES)),
    Asked("is there a pool?", None, PASSAGES[:1]),
]


def test_the_minutes_before_a_kill_count(model_folder: Path, tmp_path: Path) -> None:
    tune(RECIPE, model_folder, ASKED, tmp_path)
    state = Path(str(last_checkpoint(tmp_path))) / STATE
    content = json.loads(state.read_text())
    content["stateful_callbacks"]["Stopwatch"]["args"]["before"] = 90.0
    state.write_text(json.dumps(content))
    assert tune(RECIPE, model_folder, ASKED, tmp_path).minutes > 90
