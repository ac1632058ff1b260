"""A real training of a few steps on the packaged base, through the command."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from adapters.commands import app
from adapters.header import BaseFile
from adapters.ranking.ask import FORM
from adapters.ranking.ranker import open_ranker
from ingest.owner import OwnerLock
from tests.adapters.small_examples import add_example, write_examples

pytest.importorskip("trl")


@pytest.fixture
def recipe(tmp_path: Path, gguf: Path) -> Path:
    data = write_examples(tmp_path)
    training = {"learning_rate": 0.001, "epochs": 0.15, "cycles": 1, "batch_size": 2, "warmup_share": 0}
    training |= {"weight_decay": 0, "max_tokens": 200, "evaluate_every": 5, "patience": 2, "seed": 1}
    content = {"name": "ranker", "data": data, "lora": {"rank": 2, "alpha": 4, "dropout": 0}}
    content |= {"groups": {"others": 1, "nearest": 2, "withheld": 0}}
    content |= {"elsewhere": {"examples": ["elsewhere/style.jsonl"], "documents": "elsewhere/docs"}}
    (tmp_path / "elsewhere").mkdir()
    write_examples(tmp_path / "elsewhere", prefix="elsewhere: ")
    file = tmp_path / "ranker.yaml"
    file.write_text(yaml.safe_dump(content | {"training": training}))
    return file


def rank(recipe: Path, folder: str) -> Result:
    settings = recipe.with_name("settings.yaml")
    settings.write_text(yaml.safe_dump({"data": {"folder": str(recipe.parent / "data")}}))
    arguments = ["rank", str(recipe), str(recipe.parent / folder), "--json", "--config", str(settings)]
    return CliRunner().invoke(app, arguments)


def test_a_recipe_becomes_a_ranker_that_passes_the_gate(recipe: Path, gguf: Path, derived: Path) -> None:
    cache = recipe.parent / "data" / "cache"
    cache.mkdir(parents=True)
    (derived / "base").mkdir(exist_ok=True)
    (cache / "base").symlink_to(derived / "base")
    result = rank(recipe, "ranker/1")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["prompt"], told["prompt_sha256"]) == (FORM.label, FORM.hash)
    assert told["data"]["examples"] == 12 + 15, (
        "one of four refusals is for validation, and what is asked elsewhere"
    )
    assert told["data"]["rows"] == (2 * 9 + 3) + (2 * 11 + 4)
    assert set(told["scores"]) == {"first", "bound", "answerable, area"}
    assert told["data"]["held_back"] == ["records.md"]
    ranker = open_ranker(recipe.parent / "ranker" / "1", BaseFile(gguf, cache), cache, threads=0)
    assert len(ranker.log_odds("garage fee?", ["Parking", "Food"])) == 2
    assert max(told["probe"], key=told["probe"].__getitem__) in ranker.first_tokens()
    again = rank(recipe, "ranker/1")
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    (checkpoints,) = (recipe.parent / "data" / "training" / "ranker").iterdir()
    with OwnerLock(checkpoints):
        beside = rank(recipe, "ranker/2")
    assert beside.exit_code == 3, beside.output
    assert "in use" in beside.stderr and "--work" in beside.stderr


def test_a_folder_that_could_never_pass_the_gate_is_refused_before_the_training(recipe: Path) -> None:
    result = rank(recipe, "mine")
    assert result.exit_code == 2
    assert "ranker/VERSION" in result.stderr
    assert not (recipe.parent / "data").exists()


def test_nothing_is_trained_on_examples_that_fail_the_check(recipe: Path) -> None:
    add_example(recipe.parent, document="records.md", section="Copies", question="a photocopy?")
    result = rank(recipe, "ranker/1")
    assert result.exit_code == 1
    assert "records.md is held back" in result.stderr
    assert not (recipe.parent / "data" / "training").exists()
    told = CliRunner().invoke(app, ["check", str(recipe), "--json"])
    assert told.exit_code == 1
    assert json.loads(told.stdout)["failures"] == ["leak"]


def test_an_example_about_other_pages_may_not_ask_what_the_evaluation_asks(recipe: Path) -> None:
    values = yaml.safe_load(recipe.read_text())
    values["data"]["questions"] = "questions.jsonl"
    recipe.write_text(yaml.safe_dump(values))
    questions = recipe.with_name("questions.jsonl")
    questions.write_text(json.dumps({"question": "do you repair clocks"}))
    assert CliRunner().invoke(app, ["check", str(recipe)]).exit_code == 0
    add_example(
        recipe.parent / "elsewhere", document="food.md", section="Cafeteria", question="Do you repair clocks?"
    )
    result = rank(recipe, "ranker/1")
    assert result.exit_code == 1
    assert "elsewhere/style.jsonl" in result.stderr and "of the evaluation" in result.stderr
    assert not (recipe.parent / "data" / "training").exists()
