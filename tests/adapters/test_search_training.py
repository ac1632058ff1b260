"""A real training of a few steps on the packaged embedder, through the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner, Result

from adapters.commands import app
from ingest.embed import Embedder
from ingest.embed_adapter import CARD
from ingest.owner import OwnerLock
from tests.adapters.small_examples import ASKED, add_example, write_examples

pytest.importorskip("trl")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    data = write_examples(tmp_path)
    training = {"learning_rate": 0.005, "epochs": 8, "batch_size": 4, "hard_negatives": 1, "scale": 20}
    training |= {"warmup_share": 0, "weight_decay": 0, "seed": 1}
    content = {"data": data, "lora": {"rank": 2, "alpha": 4, "dropout": 0}}
    file = tmp_path / "search.yaml"
    file.write_text(yaml.safe_dump(content | {"training": training}))
    return file


def tune(recipe: Path, *arguments: str) -> Result:
    settings = recipe.with_name("settings.yaml")
    settings.write_text(yaml.safe_dump({"data": {"folder": str(recipe.parent / "data")}}))
    folder = str(recipe.parent / "adapter")
    return CliRunner().invoke(app, ["tune", str(recipe), folder, "--config", str(settings), *arguments])


def test_a_recipe_becomes_an_adapter_that_brings_questions_to_their_passages(
    recipe: Path, embedder: Embedder, model_folder: Path
) -> None:
    result = tune(recipe, "--json")
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    folder = recipe.parent / "adapter"
    assert told["folder"] == str(folder)
    assert told["held_back"] == ["records.md"]
    assert told["scores"].keys() == {"without", "with"}
    assert told["scores"]["with"].keys() == {"first", "among three", "answerable, area", "bound"}
    assert str(recipe.parent) not in (folder / CARD).read_text(), "no path of this machine"
    adapted = Embedder(model_folder, adapter=folder)
    assert margin(adapted) > margin(embedder) + 0.05, "it has learnt the questions"
    again = tune(recipe)
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    (checkpoints,) = (recipe.parent / "data" / "training" / "search").iterdir()
    folder.rename(recipe.parent / "kept")
    with OwnerLock(checkpoints):
        beside = tune(recipe)
    assert beside.exit_code == 3, beside.output
    assert "in use" in beside.stderr and "--work" in beside.stderr


def margin(embedder: Embedder) -> float:
    """How much nearer the questions about parking are to their own section than to the other."""
    garage, lot = embedder.embed(
        ["Parking > North Garage\nIt costs $3 an hour.", "Parking > South Lot\nIt is free at night."]
    )
    questions = embedder.embed_queries(ASKED[("parking.md", "North Garage")])
    return float(np.mean(questions @ garage - questions @ lot))


def test_nothing_is_trained_on_examples_that_fail_the_check(recipe: Path, embedder: Embedder) -> None:
    add_example(recipe.parent, document="records.md", section="Copies", question="a photocopy?")
    add_example(recipe.parent, document="food.md", section="Cafeteria", question="what is it", answer="$9 [cite].")
    add_example(recipe.parent, document=None, section=None, question="any taxis?", answer="You can call one.")
    result = tune(recipe)
    assert result.exit_code == 1, result.output
    assert "The examples fail the check, and nothing is trained on such: 1 shape, first " in result.stderr
    assert "1 leak" in result.stderr and "records.md is held back" in result.stderr
    assert "1 facts" in result.stderr and f"`triptych adapters check {recipe}` tells all." in result.stderr
    assert not (recipe.parent / "adapter").exists()
    assert not (recipe.parent / "data" / "training").exists()
    told = CliRunner().invoke(app, ["check", str(recipe), "--json"])
    assert told.exit_code == 1, told.output
    assert json.loads(told.stdout)["failures"] == ["shape", "leak", "facts"]


def test_examples_without_refusals_are_told_before_the_training(recipe: Path, embedder: Embedder) -> None:
    style = recipe.parent / "style.jsonl"
    lines = [line for line in style.read_text().splitlines() if json.loads(line)["document"]]
    style.write_text("".join(line + "\n" for line in lines))
    result = tune(recipe)
    assert result.exit_code == 2
    assert "questions with and without an answer; 9 of 9 have one" in result.stderr
    assert not (recipe.parent / "data" / "training").exists()
