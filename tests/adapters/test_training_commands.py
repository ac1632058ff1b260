"""The commands on a tiny base, from documents and examples to a version: real files, embedder and training."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from adapters.commands import app
from adapters.dataset.report import Report, insist
from adapters.training import prepare
from configs.load import HOSPITAL, load_settings
from ingest.documents import Chunk, Document
from ingest.library import open_library
from ingest.owner import OwnerLock
from tests.adapters.small_examples import add_example
from tests.adapters.small_training import write_settings

WORDS = ("visiting", "parking", "meals", "letters", "flowers", "phones")
OWN = {asked for word in WORDS[:-1] for asked in (f"What about {word}?", f"Whom do I ask when {word} matter?")}


@pytest.fixture
def config(tmp_path: Path, tiny_model: Path) -> Path:
    return write_settings(tmp_path, tiny_model)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Two examples for each of five documents, one of them for validation; the sixth is held back."""
    (tmp_path / "docs").mkdir()
    lines = []
    for word in WORDS:
        (tmp_path / "docs" / f"{word}.md").write_text(
            f"# All about {word}\n\nPlease ask about {word} at the desk.\n"
        )
        for asked in (f"What about {word}?", f"Whom do I ask when {word} matter?"):
            example = {"document": f"{word}.md", "section": None, "question": asked}
            answer = f"You can ask about {word} at the desk [cite]."
            lines.append(json.dumps({"id": asked, **example, "answer": answer}))
    (tmp_path / "style.jsonl").write_text("\n".join(lines[:-2]) + "\n")
    content = yaml.safe_load((HOSPITAL.parent / "adapters" / "house-style.yaml").read_text())
    content["data"] = {
        "examples": ["style.jsonl"],
        "documents": "docs",
        "validation": [f"{WORDS[0]}.md"],
        "held_back": [f"{WORDS[-1]}.md"],
    }
    content["mix"] |= {"variants": 1, "without_gold": 0, "without_retrieval": 0, "without_prompt": 0}
    content["training"] |= {"max_tokens": 8000, "epochs": 2}
    content["search"] = {"minutes": 60, "rank": [8, 16]}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content))
    return tmp_path / "recipe.yaml"


def answer(config: Path, *arguments: str | Path) -> Any:
    result = CliRunner().invoke(app, [*map(str, arguments), "--config", str(config), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("validation", "lack"), [((), "evaluate on, of 10"), (WORDS[:-1], "train on, of 10")], ids=["none", "all"]
)
def test_examples_are_left_to_train_and_to_evaluate_on(
    config: Path, recipe: Path, validation: tuple[str, ...], lack: str
) -> None:
    content = yaml.safe_load(recipe.read_text())
    content["data"]["validation"] = [f"{word}.md" for word in validation]
    (recipe.parent / "docs" / "empty.md").write_text("# No example is about this\n\nNothing.\n")
    content["data"]["validation"] += ["empty.md"]
    recipe.write_text(yaml.safe_dump(content))
    result = CliRunner().invoke(app, ["train", str(recipe), "--config", str(config)])
    assert result.exit_code == 2, result.output
    assert f"leaves no rows to {lack}" in result.stderr and "not all" in result.stderr
    assert not (recipe.parent / "data" / "training").exists()


@pytest.fixture
def elsewhere(recipe: Path) -> Path:
    """Two examples about a page of another house, which the recipe names, too."""
    folder = recipe.parent / "elsewhere"
    (folder / "docs").mkdir(parents=True)
    (folder / "docs" / "boats.md").write_text("# Boats\n\nThe boat leaves at noon from the pier.\n")
    for asked in ("When does the boat leave?", "from where can I sail"):
        add_example(folder, document="boats.md", section=None, question=asked)
    content = yaml.safe_load(recipe.read_text())
    content["elsewhere"] = {"examples": ["elsewhere/style.jsonl"], "documents": "elsewhere/docs"}
    recipe.write_text(yaml.safe_dump(content))
    return folder


def test_what_is_asked_elsewhere_is_trained_on_and_validates_nothing(
    config: Path, recipe: Path, elsewhere: Path
) -> None:
    ready = prepare(recipe, load_settings(config, {}).settings, None)
    asked = {"When does the boat leave?", "from where can I sail"}
    assert asked == {row.example for row in ready.rows} - {row.example for row in ready.validation} - OWN
    assert {row.example for row in ready.rows} >= OWN - {row.example for row in ready.validation}
    assert not asked & {row.example for row in ready.validation}
    for row in ready.rows:
        shown = str(row.messages[-1].content)
        assert ("The boat leaves at noon" in shown) == (row.example in asked), "each with its own house's pages"


def test_what_is_asked_elsewhere_may_not_be_a_question_of_the_evaluation(
    config: Path, recipe: Path, elsewhere: Path
) -> None:
    content = yaml.safe_load(recipe.read_text())
    content["data"]["questions"] = "questions.jsonl"
    recipe.write_text(yaml.safe_dump(content))
    (recipe.parent / "questions.jsonl").write_text(json.dumps({"question": "From where can I sail?"}))
    result = CliRunner().invoke(app, ["train", str(recipe), "--config", str(config)])
    assert result.exit_code == 1, result.output
    assert "elsewhere/style.jsonl" in result.stderr and "of the evaluation" in result.stderr


def test_a_style_does_not_take_the_name_of_what_decides(config: Path, recipe: Path) -> None:
    recipe.write_text(yaml.safe_dump(yaml.safe_load(recipe.read_text()) | {"name": "decisions"}))
    result = CliRunner().invoke(app, ["train", str(recipe), "--config", str(config)])
    assert result.exit_code == 2, result.output
    assert "'decisions' as its own. Choose another name" in result.stderr


def test_what_is_trained_on_is_what_was_checked(
    config: Path, recipe: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def passed_then_changed(report: Report, path: str) -> None:
        insist(report, path)
        for folder, document in ((recipe.parent, f"{WORDS[0]}.md"), (elsewhere, "boats.md")):
            add_example(folder, document=document, section=None, question="Added late?")

    monkeypatch.setattr("adapters.training.insist", passed_then_changed)
    ready = prepare(recipe, load_settings(config, {}).settings, None)
    assert "Added late?" not in {row.example for row in [*ready.rows, *ready.validation]}
    assert "Added late?" in (recipe.parent / "style.jsonl").read_text()


def test_a_page_that_is_not_there_is_told_before_any_training(config: Path, recipe: Path, elsewhere: Path) -> None:
    add_example(elsewhere, document="trains.md", section=None, question="Is the night train late?")
    result = CliRunner().invoke(app, ["train", str(recipe), "--config", str(config)])
    assert result.exit_code == 1, result.output
    assert "elsewhere/style.jsonl" in result.stderr and "trains.md is not among the documents" in result.stderr
    assert not (recipe.parent / "data" / "training").exists()


@pytest.mark.slow
def test_from_a_curve_and_a_search_to_a_version_whose_card_tells_both(config: Path, recipe: Path) -> None:
    curve = answer(config, "curve", recipe, "--sizes", "2,4,8")
    assert [point["examples"] for point in curve["points"]] == [2, 4, 8]
    assert "from 4 to 8 examples" in curve["finding"]
    assert curve["left"] == []
    made = answer(config, "train", recipe, "--search")
    assert [(trial["rank"], trial["share"]) for trial in made["trials"]] == [(8, 0.5), (16, 0.5)]
    card = answer(config, "show", made["adapter"])
    assert card["trials"] == made["trials"]
    assert card["learning_curve"]["points"] == curve["points"]
    chosen = min(made["trials"], key=lambda trial: trial["score"])
    assert card["recipe"]["lora"]["rank"] == chosen["rank"]
    assert card["recipe"]["lora"]["alpha"] == 2 * chosen["rank"]


@pytest.mark.parametrize("command", [["train"], ["train", "--search"], ["curve", "--sizes", "4"]], ids=" ".join)
def test_two_trainings_do_not_share_a_folder(config: Path, recipe: Path, command: list[str]) -> None:
    work = recipe.parent / "work"
    with OwnerLock(work):
        result = CliRunner().invoke(app, [*command, str(recipe), "--work", str(work), "--config", str(config)])
    assert result.exit_code == 3, result.output
    assert f"{work} is in use by process" in result.stderr
    assert "--work" in result.stderr and "promote" not in result.stderr.lower()
    assert sorted(path.name for path in work.iterdir()) == ["owner.lock"]


def test_a_check_replaces_no_file_unasked_and_writes_none_for_a_recipe(config: Path, recipe: Path) -> None:
    examples, docs = recipe.parent / "style.jsonl", recipe.parent / "docs"
    before = examples.read_text()
    for name, told in ((examples, "--force"), (recipe, "a recipe names its own")):
        command = ["check", str(name), "--documents", str(docs), "--write", str(examples), "--config", str(config)]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 2, result.output
        assert told in result.stderr
    assert examples.read_text() == before


def closed_in_the_library(folder: Path, source: str) -> None:
    """As `triptych ingest sync --label staff` of that file leaves it; whether it is read is up to the reader."""
    with closing(open_library(None, folder)) as library:
        collection = library.ensure_collection("documents", "f").id
        document = Document(source, "T", (), "0" * 64, frozenset({"staff"}))
        library.put_document(collection, document, [Chunk("c", 0, "T", (), "Text.")], np.eye(1, dtype=np.float32))


def test_what_only_the_library_closes_is_not_trained_on_while_a_service_owns_the_folder(
    config: Path, recipe: Path
) -> None:
    data = recipe.parent / "data"
    closed_in_the_library(data, f"{WORDS[1]}.md")
    with OwnerLock(data):
        result = CliRunner().invoke(app, ["train", str(recipe), "--config", str(config)])
    assert result.exit_code == 1, result.output
    assert "2 access" in result.stderr and f"{WORDS[1]}.md is not for everybody" in result.stderr
    assert not (data / "training").exists()


def test_what_is_asked_elsewhere_is_not_about_what_the_library_closes(
    config: Path, recipe: Path, elsewhere: Path
) -> None:
    closed_in_the_library(recipe.parent / "data", "boats.md")
    (elsewhere / "docs" / "trains.md").write_text("# Trains\n\nThe train leaves at ten.\n")
    result = CliRunner().invoke(app, ["train", str(recipe), "--config", str(config)])
    assert result.exit_code == 1, result.output
    assert "2 access" in result.stderr and "boats.md is not for everybody" in result.stderr


def test_without_knowing_what_the_library_closes_nothing_is_trained(config: Path, recipe: Path) -> None:
    (recipe.parent / "data" / "library.db").write_text("no database" * 100)
    result = CliRunner().invoke(app, ["train", str(recipe), "--config", str(config)])
    assert result.exit_code == 2, result.output
    assert "library.db cannot be opened" in result.stderr
