"""Rows of an adapter that decides: asked as /decide asks, and never with their own answer beside them."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.decisions.head import CARD, HeadCard
from adapters.decisions.pack import HEAD, DecisionPack, open_pack
from adapters.decisions.training import follow, others, prepare, rows_of
from adapters.recipe import DecisionRecipe, RecipeError, read_as
from adapters.training import version_of
from configs.load import load_settings
from ingest.owner import FolderInUse, OwnerLock
from tests.adapters.decisions.conftest import FOLDER
from tests.adapters.small_training import write_settings


@pytest.fixture(scope="module")
def pack() -> DecisionPack:
    embedder = HeadCard.model_validate_json((FOLDER / HEAD / CARD).read_bytes()).embedder
    return open_pack(FOLDER, "decide@1", embedder)


@pytest.fixture
def recipe() -> DecisionRecipe:
    return read_as(DecisionRecipe, FOLDER / "lora.yaml")


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


def test_a_recipe_becomes_a_version_whose_card_tells_of_the_records(tmp_path: Path, tiny_model: Path) -> None:
    # The pack's head was fitted with it.
    search = {"adapter": str(FOLDER.parent / "search" / "1")}
    settings = load_settings(write_settings(tmp_path, tiny_model, embedder=search), {}).settings
    whole = prepare(FOLDER / "lora.yaml", FOLDER, settings, None)
    with OwnerLock(whole.work), pytest.raises(FolderInUse):
        follow(FOLDER / "lora.yaml", FOLDER, settings, None)
    # A letter is a token of the tiny model.
    few = whole.recipe.training.model_copy(update={"epochs": 1, "max_tokens": 10_000, "batch_size": 2})
    recipe = whole.recipe.model_copy(update={"training": few})
    version = version_of(replace(whole, recipe=recipe, rows=whole.rows[:4], validation=whole.validation[:2]))
    assert whole.registry.verified(version.label, whole.made_from.sha256).name == "decisions@1"
    card = version.card
    assert (card.name, card.prompt) == (recipe.name, "decide@1")
    assert (card.data.examples, card.data.rows, card.data.validation_rows) == (4, 4, 2)
    assert (card.data.held_back, card.learning_curve) == ((), None)


def test_a_name_that_decide_would_not_take_is_refused_before_the_training(tmp_path: Path) -> None:
    text = (FOLDER / "lora.yaml").read_text()
    (tmp_path / "lora.yaml").write_text(text.replace("name: decisions", "name: authorizations"))
    settings = load_settings(None, {"TRIPTYCH__DATA__FOLDER": str(tmp_path)}).settings
    with pytest.raises(RecipeError, match=r"named 'decisions' only, got 'authorizations'. Write name: decisions"):
        prepare(tmp_path / "lora.yaml", FOLDER, settings, None)


def test_a_wrong_recipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lora.yaml").write_text("name: decisions\n")
    with pytest.raises(RecipeError, match=r"lora\.yaml cannot be used"):
        read_as(DecisionRecipe, tmp_path / "lora.yaml")
