"""The commands on decisions, as a person calls them."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.decisions.commands import app
from adapters.decisions.head import CARD, HeadCard
from adapters.decisions.pack import HEAD, POLICY, RECORDS
from adapters.decisions.records import Record, read_records, write_records
from tests.adapters.decisions.conftest import FOLDER


def settings_without(tmp_path: Path) -> Path:
    file = tmp_path / "settings.yaml"
    file.write_text(f"data: {{folder: {json.dumps(str(tmp_path / 'data'))}}}\n")
    return file


def settings_with(decisions: Path, tmp_path: Path) -> Path:
    file = settings_without(tmp_path)
    file.write_text(file.read_text() + f"decisions: {{folder: {json.dumps(str(decisions))}}}\n")
    return file


def test_records_are_written_where_they_are_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "records.jsonl"
    result = CliRunner().invoke(app, ["generate", str(target), "--count", "30", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"file": str(target), "records": 30, "seed": 7}
    assert read_records(target) == read_records(FOLDER / RECORDS)[:30]


def test_records_that_are_there_are_replaced_by_force_only(tmp_path: Path) -> None:
    target = tmp_path / "records.jsonl"
    target.write_text("records of my own\n")
    result = CliRunner().invoke(app, ["generate", str(target), "--count", "1"])
    assert result.exit_code == 2
    assert "is there already" in result.output
    assert target.read_text() == "records of my own\n"
    assert CliRunner().invoke(app, ["generate", str(target), "--count", "1", "--force"]).exit_code == 0
    assert len(read_records(target)) == 1
    assert list(tmp_path.iterdir()) == [target]


def test_without_a_folder_of_decisions_nothing_is_done(tmp_path: Path) -> None:
    config = ["--config", str(settings_without(tmp_path))]
    for command in (["generate", str(tmp_path / "records.jsonl")], ["fit"], ["train", "lora.yaml"]):
        result = CliRunner().invoke(app, [*command, *config])
        assert result.exit_code == 2
        assert "decisions.folder" in result.output
    assert not (tmp_path / "records.jsonl").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["generate", str(tmp_path / "lost" / "records.jsonl"), "--count", "1"])
    assert result.exit_code == 2
    assert "cannot be written to" in result.output


def test_records_with_codes_that_the_policy_does_not_have_are_not_learnt(tmp_path: Path) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "decisions")
    policy = (folder / POLICY).read_text().replace("code: A2", "code: A3")
    (folder / POLICY).write_text(policy)
    result = CliRunner().invoke(app, ["fit", "--config", str(settings_with(folder, tmp_path))])
    assert result.exit_code == 2, result.output
    assert "with the code 'A2'; the policy's codes are" in result.output


def test_a_fit_names_the_services_that_are_left_to_people(
    tmp_path: Path, records: list[Record], model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    folder = tmp_path / "decisions"
    folder.mkdir()
    shutil.copy(FOLDER / POLICY, folder)
    write_records(records[:300], folder / RECORDS)
    result = CliRunner().invoke(app, ["fit", "--config", str(settings_with(folder, tmp_path))])
    assert result.exit_code == 0, result.output
    assert "A person decides on MRI of the knee, MRI of the lower back, " in result.output
    assert HeadCard.model_validate_json((folder / HEAD / CARD).read_bytes()).similar == 5
