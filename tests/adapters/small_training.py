"""A small recipe with rows, and all that a training of them takes."""

import shutil
from pathlib import Path
from typing import Any

import yaml
from langchain_core.messages import HumanMessage, SystemMessage

from adapters.base import load_tokenizer
from adapters.examples import Row
from adapters.prompt import load_prompt
from adapters.recipe import Data, Lora, Mix, Recipe, Training
from adapters.registry import Registry
from adapters.training import Prepared, base_of
from configs.load import HOSPITAL
from ingest.models import file_sha256
from tests.adapters.small_adapter import SHAPES, write_base


def write_settings(folder: Path, model: Path, **sections: Any) -> Path:
    """A settings file whose base is tiny: the model's folder is its dequantised copy."""
    base = folder / "base.gguf"
    write_base(base, SHAPES)
    sha256 = file_sha256(base)
    shutil.copytree(model, folder / "data" / "cache" / "base" / sha256)
    settings = {
        "data": {"folder": str(folder / "data")},
        "layers": {"adapter": {"folder": "shipped"}},
        "engine": {"base": {"model": f"file:{base}", "sha256": sha256}},
    }
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings | sections))
    return folder / "settings.yaml"


def recipe(**training: Any) -> Recipe:
    values = {
        "learning_rate": 0.01,
        "cycles": 1,
        "epochs": 2,
        "batch_size": 2,
        "warmup_share": 0.1,
        "weight_decay": 0,
        "max_tokens": 120,
        "evaluate_every": 2,
        "patience": 5,
        "seed": 1,
    }
    return Recipe(
        name="style",
        prompt="house@1",
        no_answer="I can't find this.",
        data=Data(examples=(Path("a"),), documents=Path("d"), validation=("v",), held_back=()),
        mix=Mix(
            passages=1,
            variants=1,
            shuffled=0,
            without_gold=0,
            without_retrieval=0,
            without_prompt=0,
            with_history=0,
        ),
        lora=Lora(rank=2, alpha=4, dropout=0),
        training=Training(**values | training),
    )


def row(number: int, answer: str = "From ten. Call us.") -> Row:
    return Row(f"e{number}", (SystemMessage("Answer."), HumanMessage(f"When is {number}?")), answer)


ROWS = [row(number) for number in range(8)]


def prepared(model: Path, folder: Path, recipe: Recipe) -> Prepared:
    return Prepared(
        recipe=recipe,
        registry=Registry(folder / "shipped", folder / "own"),
        template=load_prompt(HOSPITAL.parent / "prompts", recipe.prompt),
        tokenizer=load_tokenizer(model),
        base=model,
        made_from=base_of("file:base", file_sha256(model / "model.safetensors"), model),
        rows=ROWS,
        validation=ROWS[:2],
        start=None,
        work=folder / "work",
    )
