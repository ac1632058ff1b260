from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from adapters.base import chat_template_sha256, load_tokenizer, tokenizer_sha256
from adapters.card import WEIGHTS
from adapters.examples import Row
from adapters.prompt import load_prompt
from adapters.recipe import RecipeError, read_recipe
from adapters.train import Trained
from adapters.training import base_of, card_of, check_lora, data_of, rows_sha256, run_of
from configs.load import HOSPITAL
from ingest.models import file_sha256

SHIPPED = HOSPITAL.parent / "adapters"
RECIPE = read_recipe(SHIPPED / "house-style.yaml")
ROWS = [Row(f"e{n}", (HumanMessage(f"When is {n}?"),), "From ten.") for n in (1, 1, 2)]


def test_only_the_same_rows_and_values_go_on_from_a_checkpoint(tiny_model: Path) -> None:
    base = base_of("file:base", "e" * 64, tiny_model)
    other_base = base.model_copy(update={"sha256": "f" * 64})
    other_recipe = RECIPE.model_copy(update={"lora": RECIPE.lora.model_copy(update={"rank": 2})})
    runs = [
        run_of(RECIPE, base, ROWS, ROWS[:1]),
        run_of(other_recipe, base, ROWS, ROWS[:1]),
        run_of(RECIPE, other_base, ROWS, ROWS[:1]),
        run_of(RECIPE, base, ROWS[1:], ROWS[:1]),
        run_of(RECIPE, base, ROWS, ROWS[:2]),
    ]
    assert len(set(runs)) == len(runs)
    assert run_of(RECIPE, base, ROWS, ROWS[:1]) == runs[0]


def test_the_rows_hash_is_of_what_the_model_saw() -> None:
    changed = Row("e1", (HumanMessage("When is 9?"),), "From ten.")
    assert rows_sha256(ROWS) == rows_sha256(list(ROWS))
    assert len({rows_sha256(rows) for rows in (ROWS, ROWS[:2], [changed, *ROWS[1:]])}) == 3


def test_a_card_tells_what_an_adapter_was_made_from(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    base = base_of("file:base", "e" * 64, tiny_model)
    template = load_prompt(HOSPITAL.parent / "prompts", RECIPE.prompt)
    trained = Trained(tmp_path, 1.26, 8, ({"step": 2, "loss": 1.0},))
    card = card_of(RECIPE, base, template, data_of(RECIPE, ROWS, ROWS[:1]), trained)
    assert card.base.sha256 == "e" * 64
    assert card.base.tokenizer_sha256 == tokenizer_sha256(tiny_model)
    assert card.base.chat_template_sha256 == chat_template_sha256(load_tokenizer(tiny_model))
    assert card.weights_sha256 == file_sha256(tmp_path / WEIGHTS)
    assert (card.prompt, card.prompt_sha256) == (template.label, template.hash)
    assert (card.data.examples, card.data.rows, card.data.validation_rows) == (2, 3, 1)
    assert card.data.held_back == RECIPE.data.held_back
    assert card.minutes == 1.3
    assert str(HOSPITAL.parent) not in card.model_dump_json(), "no path of this machine"
    assert "process" not in card.machine
    several = card_of(RECIPE, base, template, card.data, replace(trained, processes=4))
    assert several.machine == f"{card.machine}, 4 processes"


@pytest.mark.parametrize("changes", [{"rank": 8}, {"alpha": 16}, {"dropout": 0.1}], ids=str)
def test_a_recipe_that_goes_on_from_an_adapter_has_its_lora(changes: dict[str, float]) -> None:
    start, path = SHIPPED / "house-style" / "1", Path("recipe.yaml")
    goes_on = read_recipe(SHIPPED / "house-style-answers.yaml")
    check_lora(goes_on, start, path)
    other = goes_on.model_copy(update={"lora": goes_on.lora.model_copy(update=changes)})
    with pytest.raises(RecipeError, match=r"from house-style@1, .* write rank 16, alpha 32, dropout 0, or leave"):
        check_lora(other, start, path)
