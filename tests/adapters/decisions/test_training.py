"""Rows of an adapter that decides: asked as /decide asks, and never with their own answer beside them."""

from pathlib import Path

import pytest

from adapters.decisions.head import CARD, HeadCard
from adapters.decisions.pack import HEAD, DecisionPack, open_pack
from adapters.decisions.training import others, rows_of
from adapters.recipe import DecisionRecipe, RecipeError, read_decision_recipe
from tests.adapters.decisions.conftest import FOLDER


@pytest.fixture(scope="module")
def pack() -> DecisionPack:
    embedder = HeadCard.model_validate_json((FOLDER / HEAD / CARD).read_bytes()).embedder
    return open_pack(FOLDER, "decide@1", embedder)


@pytest.fixture
def recipe() -> DecisionRecipe:
    return read_decision_recipe(FOLDER / "lora.yaml")


def test_a_row_for_each_training_record_ends_in_its_decision(pack: DecisionPack, recipe: DecisionRecipe) -> None:
    rows = rows_of(recipe, pack, pack.prompts["decide@1"], 5)
    assert [row.example for row in rows] == [past.id for past in pack.memory.past]
    assert {past.split for past in pack.memory.past} == {"train"}
    first = pack.memory.past[0]
    assert rows[0].completion == f'{{"decision": "{first.decision}", "reason_code": "{first.code}"}}'
    shown = [row for row in rows if "-> {" in str(row.messages[-1].content)]
    assert len(shown) / len(rows) == pytest.approx(recipe.with_similar, abs=0.04)


def test_rules_are_told_in_the_share_that_the_recipe_says(pack: DecisionPack, recipe: DecisionRecipe) -> None:
    template = pack.prompts["decide@1"]
    told = rows_of(recipe.model_copy(update={"with_rules": 1.0}), pack, template, 5)
    assert all("A2 approved" in str(row.messages[-1].content) for row in told)
    assert not any("A2 approved" in str(row.messages[-1].content) for row in rows_of(recipe, pack, template, 5))


def test_a_record_is_not_shown_beside_itself(pack: DecisionPack) -> None:
    for at in range(20):
        found = others(pack.memory, at, 5)
        assert len(found) == 5
        assert pack.memory.past[at].id not in {one.past.id for one in found}


def test_a_wrong_recipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lora.yaml").write_text("name: decisions\n")
    with pytest.raises(RecipeError, match=r"lora\.yaml cannot be used"):
        read_decision_recipe(tmp_path / "lora.yaml")
