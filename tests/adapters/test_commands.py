import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from adapters.card import CONFIG, read_card, write_card
from adapters.commands import app, in_short, login
from adapters.prompt import load_prompt
from configs.load import HOSPITAL
from ingest.models import file_sha256
from ingest.owner import OwnerLock
from tests.adapters.conftest import SHIPPED, MakeAdapter, lora_weights, write_adapter
from tests.adapters.small_adapter import SHAPES, write_base


@pytest.fixture
def config(tmp_path: Path, make_adapter: MakeAdapter, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings with their data in the test's folder, a small base, and two versions of `style` that fit it."""
    base = tmp_path / "base.gguf"
    write_base(base, SHAPES)
    for version in (1, 2):
        fit(make_adapter(f"style/{version}"), file_sha256(base))
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "settings.yaml"
    settings = {
        "data": {"folder": str(tmp_path / "data")},
        "layers": {"adapter": {"folder": "shipped"}},
        "engine": {"base": {"model": f"file:{base}", "sha256": file_sha256(base)}},
    }
    file.write_text(yaml.safe_dump(settings))
    return file


def fit(folder: Path, base: str) -> None:
    card = read_card(folder)
    write_card(card.model_copy(update={"base": card.base.model_copy(update={"sha256": base})}), folder)


def call(config: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--config", str(config)])


def answer(config: Path, *arguments: str | Path) -> Any:
    result = call(config, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def promoted(config: Path) -> list[str]:
    return [row["adapter"] for row in answer(config, "list") if row["promoted"]]


def test_versions_are_listed_shown_promoted_and_rolled_back(config: Path) -> None:
    assert promoted(config) == ["style@2"]
    assert answer(config, "promote", "style@1")["promoted"] == "style@1"
    assert promoted(config) == ["style@1"]
    assert answer(config, "show", "style")["adapter"] == "style@1"
    assert answer(config, "rollback", "style") == {"promoted": "style@2"}
    assert promoted(config) == ["style@2"]


def test_the_card_is_shown_whole(config: Path) -> None:
    shown = answer(config, "show", "style@1")
    assert shown["prompt"] == "house@1"
    assert shown["data"]["held_back"] == ["parking.md"]


def test_the_terminal_shows_what_the_losses_came_to_and_not_each() -> None:
    told = in_short(read_card(SHIPPED / "house-style" / "1"))
    assert told["losses"]["steps"] == 688
    assert "100 examples 94.3%, 200 examples 95.7%, 400 examples 97.2%" in told["learning_curve"]
    assert "learning_curve" not in in_short(read_card(SHIPPED / "house-style" / "2"))


def test_a_good_adapter_is_verified(config: Path, tmp_path: Path) -> None:
    weights = tmp_path / "shipped" / "style" / "2" / "adapter_model.safetensors"
    assert answer(config, "verify", "style")["sha256"] == file_sha256(weights)


def test_an_adapter_is_verified_at_a_strength_too(config: Path) -> None:
    told = answer(config, "verify", "style@1*0.5")
    assert (told["adapter"], told["warning"]) == ("style@1*0.5", answer(config, "verify", "style@1")["warning"])


def test_an_adapter_is_exported_once_and_only_through_the_gate(config: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    exported = answer(config, "export", "style@1", target, "--form", "peft")
    assert (exported["adapter"], exported["target"]) == ("style@1", str(target))
    assert file_sha256(target / "adapter_model.safetensors") == exported["sha256"]
    again = call(config, "export", "style@1", target, "--form", "peft")
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)
    (tmp_path / "shipped" / "style" / "1" / CONFIG).write_text("[1]")
    refused = call(config, "export", "style@1", tmp_path / "other", "--form", "merged")
    assert (refused.exit_code, (tmp_path / "other").exists()) == (1, False)


def test_an_adapter_at_another_strength_is_exported_without_the_card_of_the_whole(
    config: Path, tmp_path: Path
) -> None:
    told = call(config, "export", "style@1*0.5", tmp_path / "half", "--form", "peft").stdout
    assert "style@1*0.5 is in" in told and "It has no card" in " ".join(told.split())
    assert sorted(file.name for file in (tmp_path / "half").iterdir()) == [CONFIG, "adapter_model.safetensors"]
    halved, whole = (
        json.loads((folder / CONFIG).read_text())["lora_alpha"]
        for folder in (tmp_path / "half", tmp_path / "shipped" / "style" / "1")
    )
    assert halved == whole / 2
    assert "no card" not in call(config, "export", "style@1", tmp_path / "whole", "--form", "peft").stdout


def test_one_bad_folder_hides_no_other_version(config: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "adapters" / "style" / "3").mkdir(parents=True)
    *good, bad = answer(config, "list")
    assert [row["adapter"] for row in good] == ["style@1", "style@2"]
    assert bad["adapter"] == "style@3" and "no adapter card" in bad["problem"]
    for arguments in (["list"], ["lineage", "style"]):
        told = call(config, *arguments)
        assert (told.exit_code, "style@2" in told.stdout, "card" in told.stdout) == (0, True, True), told.output


def test_a_page_that_cannot_be_written_is_one_sentence(config: Path, tmp_path: Path) -> None:
    result = call(config, "show", "style", "--html", tmp_path / "nowhere" / "card.html")
    assert (result.exit_code, "The page cannot be written to" in result.stderr) == (2, True)
    assert "Traceback" not in result.output


def test_a_damaged_log_of_promotions_is_one_sentence(config: Path, tmp_path: Path) -> None:
    answer(config, "promote", "style@1")
    log = tmp_path / "data" / "adapters" / "promotions.jsonl"
    log.write_text("\n" + log.read_text())
    assert answer(config, "lineage", "style")[0]["promotions"]
    log.write_text("{\n" + log.read_text())
    result = call(config, "lineage", "style")
    assert (result.exit_code, "promotions.jsonl, line 1 is no entry" in result.stderr) == (1, True)


def test_people_get_sentences_and_tables(config: Path) -> None:
    assert "style@2" in call(config, "list").stdout
    assert "parking.md" in call(config, "show", "style").stdout
    assert "style@2 fits." in call(config, "verify", "style").stdout
    assert (
        "style now means style@1 (never evaluated: triptych evaluate run)."
        in call(config, "promote", "style@1").stdout
    )
    assert "style now means style@2 again." in call(config, "rollback", "style").stdout


def test_the_log_names_who_did_it(config: Path) -> None:
    answer(config, "promote", "style@1", "--by", "Ada")
    answer(config, "rollback", "style")
    (first,) = answer(config, "lineage", "style")[0]["promotions"]
    assert (first["act"], first["by"], first["before"]) == ("promote", "Ada", "style@2")
    (second,) = answer(config, "lineage", "style")[1]["promotions"]
    assert (second["act"], second["by"]) == ("rollback", login())


def test_two_versions_are_compared_and_a_name_is_traced(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shipped" / "style" / "2"
    write_card(read_card(folder).model_copy(update={"recipe": {"lora": {"rank": 16}}}), folder)
    rows = answer(config, "diff", "style@1", "style@2")
    assert {"fact": "recipe.lora.rank", "before": None, "after": 16} in rows
    assert "recipe.lora.rank" in call(config, "diff", "style@1", "style@2").stdout
    assert "say the same" in call(config, "diff", "style@1", "style@1").stdout
    assert [one["adapter"] for one in answer(config, "lineage", "style")] == ["style@1", "style@2"]
    assert "style@2 (promoted)" in call(config, "lineage", "style").stdout


@pytest.mark.parametrize("command", ["verify", "promote"])
def test_a_prompt_that_the_adapter_was_not_trained_with_is_told(config: Path, tmp_path: Path, command: str) -> None:
    folder = tmp_path / "shipped" / "style" / "1"
    assert "trained with the prompt house@1 (333333333333)" in call(config, command, "style@1").stderr
    assert "house@1" in answer(config, command, "style@1")["warning"]
    template = load_prompt(HOSPITAL.parent / "prompts", "house@1")
    write_card(read_card(folder).model_copy(update={"prompt_sha256": template.hash}), folder)
    assert answer(config, command, "style@1")["warning"] is None


def test_an_adapter_for_a_larger_base_is_refused(config: Path, tmp_path: Path) -> None:
    write_base(tmp_path / "base.gguf", {**SHAPES, "model.layers.2.self_attn.q_proj": (32, 32)})
    settings = yaml.safe_load(config.read_text())
    settings["engine"]["base"]["sha256"] = sha256 = file_sha256(tmp_path / "base.gguf")
    config.write_text(yaml.safe_dump(settings))
    fit(tmp_path / "shipped" / "style" / "1", sha256)
    result = call(config, "verify", "style@1")
    assert result.exit_code == 1
    assert "2 of 30 weights are missing, such as base_model.model.model.layers.2" in result.stderr


@pytest.mark.parametrize("command", ["verify", "promote"])
def test_an_adapter_that_does_not_fit_is_refused(config: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "shipped" / "style" / "1" / CONFIG).write_text("[1]")
    result = call(config, command, "style@1")
    assert result.exit_code == 1
    assert "style/1 is refused" in result.stderr
    assert promoted(config) == ["style@2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["diff", "style", "style@3"], "no adapter 'style@3'"),
        (["lineage", "style@1"], "no adapter of the name 'style@1'; there are: style."),
        (["show", "other"], "There is no adapter 'other'; there are: style@1, style@2."),
        (["verify", "style@3"], "no adapter 'style@3'"),
        (["promote", "style@3"], "no adapter 'style@3'"),
        (["rollback", "style"], "no earlier promoted version"),
        (["train", "/no/recipe.yaml"], "/no/recipe.yaml cannot be used"),
        (["train", "/no/recipe.yaml", "--search"], "/no/recipe.yaml cannot be used"),
        (["check", "/no/recipe.yaml"], "/no/recipe.yaml cannot be used"),
        (["check", "/no/examples.csv"], "/no/examples.csv cannot be read"),
        (["check", "/no/examples.txt"], "a .csv or a .jsonl file was expected"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_sentence_and_exit_code_2(config: Path, arguments: list[str], message: str) -> None:
    result = call(config, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_settings_that_are_not_there_are_named(tmp_path: Path) -> None:
    result = call(tmp_path / "missing.yaml", "list")
    assert result.exit_code == 2
    assert "missing.yaml" in result.stderr


def test_a_base_of_another_hash_is_named(config: Path, tmp_path: Path) -> None:
    (tmp_path / "base.gguf").write_bytes(b"another base")
    result = call(config, "verify", "style")
    assert result.exit_code == 2
    assert "is not the expected model" in result.stderr


def test_a_card_that_cannot_be_read_is_named(config: Path, tmp_path: Path) -> None:
    (tmp_path / "shipped" / "style" / "1" / "card.json").write_text("[b]no card[/b]")
    result = call(config, "show", "style@1")
    assert result.exit_code == 2
    assert "card.json is no adapter card" in result.stderr


@pytest.mark.parametrize("arguments", [["promote", "style@1"], ["rollback", "style"]])
def test_a_running_service_is_asked_instead(config: Path, tmp_path: Path, arguments: list[str]) -> None:
    with OwnerLock(tmp_path / "data") as owner:
        owner.announce("http://127.0.0.1:8000")
        result = call(config, *arguments)
        assert answer(config, "list"), "reading needs no lock"
    assert result.exit_code == 3
    assert "http://127.0.0.1:8000" in result.stderr
    assert "POST /admin/adapters/NAME/promote" in result.stderr


def test_our_own_adapters_are_found_in_the_data_folder(config: Path, tmp_path: Path) -> None:
    write_adapter(tmp_path / "data" / "adapters" / "brief" / "1", lora_weights(3))
    assert [row["adapter"] for row in answer(config, "list")] == ["brief@1", "style@1", "style@2"]


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (None, {"prompt": "gone@1"}, "No prompt 'gone@1'"),
        ("data", {"held_back": ["misspelt.md"]}, "misspelt.md"),
        ("data", {"examples": ["/no/examples.jsonl"]}, "/no/examples.jsonl cannot be read"),
        ("data", {"documents": "/no/documents"}, "no file or folder /no/documents"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_told_before_the_work_begins(
    config: Path, tmp_path: Path, section: str | None, values: dict[str, Any], message: str
) -> None:
    pytest.importorskip("trl")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "visiting.md").write_text("# Visiting\n\nFrom ten.")
    content = yaml.safe_load((HOSPITAL.parent / "adapters" / "house-style.yaml").read_text())
    shared = yaml.safe_load((HOSPITAL.parent / "adapters" / content["data"]["like"]).read_text())
    content["data"] = shared | {"documents": "docs", "validation": ["visiting.md"], "held_back": []}
    (content if section is None else content[section]).update(values)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content))
    result = call(config, "train", tmp_path / "recipe.yaml")
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert not (tmp_path / "data" / "cache").exists()


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """Two questions, one of which the documents beside them answer."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "visiting.md").write_text("# Visiting\n\nYou can visit from ten to eight every day.\n")
    file = tmp_path / "asked.csv"
    file.write_text("question,answer\nWhen?,You can visit from ten [1].\nWhere?,Upon helicopters.\n")
    return file


def test_a_file_that_fails_the_check_is_exit_code_1_and_what_is_good_of_it_is_written(
    config: Path, asked: Path, tmp_path: Path
) -> None:
    result = call(config, "check", asked, "--documents", tmp_path / "docs", "--write", tmp_path / "style.jsonl")
    assert result.exit_code == 1, result.output
    assert "no-document" in result.stdout
    assert "The check fails." in result.stdout
    (line,) = (tmp_path / "style.jsonl").read_text().splitlines()
    assert json.loads(line)["document"] == "visiting.md"
    again = call(config, "check", tmp_path / "style.jsonl", "--documents", tmp_path / "docs", "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["good"] == 1


def test_nothing_is_trained_on_examples_that_fail_the_check(
    config: Path, asked: Path, tmp_path: Path, tiny_model: Path
) -> None:
    pytest.importorskip("trl")
    sha256 = file_sha256(tmp_path / "base.gguf")
    shutil.copytree(tiny_model, tmp_path / "data" / "cache" / "base" / sha256)
    (tmp_path / "docs" / "parking.md").write_text("# Parking\n\nParking is free.\n")
    leaked = {
        "id": "e1",
        "document": "parking.md",
        "section": None,
        "question": "?",
        "answer": "You pay $3 [cite].",
    }
    (tmp_path / "style.jsonl").write_text(json.dumps(leaked) + "\n{}\n")
    content = yaml.safe_load((HOSPITAL.parent / "adapters" / "house-style.yaml").read_text())
    documents = {"documents": "docs", "validation": ["visiting.md"], "held_back": ["parking.md"]}
    content["data"] = {"examples": ["style.jsonl"]} | documents
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(content))
    result = call(config, "train", tmp_path / "recipe.yaml")
    assert result.exit_code == 1, result.output
    for told in ("1 shape, first", "style.jsonl:2", "1 leak, first", "1 facts, first", "adapters check"):
        assert told in result.stderr
    assert not (tmp_path / "data" / "training").exists()
