"""The commands on decisions, as a person calls them."""

import json
from pathlib import Path

from typer.testing import CliRunner

from adapters.decisions.commands import app
from adapters.decisions.pack import RECORDS
from adapters.decisions.records import read_records
from tests.adapters.decisions.conftest import FOLDER


def settings_without(tmp_path: Path) -> Path:
    file = tmp_path / "settings.yaml"
    file.write_text(f"data: {{folder: {json.dumps(str(tmp_path / 'data'))}}}\n")
    return file


def test_records_are_written_where_they_are_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "records.jsonl"
    result = CliRunner().invoke(app, ["generate", str(target), "--count", "30"])
    assert result.exit_code == 0, result.output
    assert read_records(target) == read_records(FOLDER / RECORDS)[:30]


def test_without_a_folder_of_decisions_nothing_is_done(tmp_path: Path) -> None:
    config = ["--config", str(settings_without(tmp_path))]
    for command in (["generate", str(tmp_path / "records.jsonl")], ["fit"], ["train", "lora.yaml"]):
        result = CliRunner().invoke(app, [*command, *config])
        assert result.exit_code == 2
        assert "decisions.folder" in result.output
    assert not (tmp_path / "records.jsonl").exists()
