import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from ingest import sources
from ingest.commands import app
from ingest.owner import OwnerLock
from tests.ingest.admin_api import KEY, AdminApi, served
from tests.ingest.conftest import OpenCorpus

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path, model_folder: Path) -> Path:
    """Settings with their data in the test's folder."""
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump({"data": {"folder": str(tmp_path / "data")}}))
    return file


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("# Visiting\n\nEvery day [from] nine.")
    return folder


def call(config: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--config", str(config)])


def answer(config: Path, *arguments: str | Path) -> Any:
    result = call(config, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_folder_is_synced_listed_shown_and_removed(config: Path, docs: Path) -> None:
    assert answer(config, "sync", docs)["added"] == ["a.md"]
    assert answer(config, "list")["documents"][0]["title"] == "Visiting"
    assert answer(config, "show", "a.md")["chunks"][0]["text"] == "Every day [from] nine."
    assert answer(config, "stats")["collections"][0]["documents"] == 1
    assert answer(config, "remove", "a.md") == {"removed": "a.md"}
    assert answer(config, "list")["documents"] == []


def test_a_label_that_no_reader_could_have_is_refused(config: Path, docs: Path) -> None:
    result = call(config, "sync", docs, "--label", "ward 3")
    assert result.exit_code == 2
    assert "'ward 3' is none" in result.stderr
    assert answer(config, "list")["documents"] == []


@pytest.mark.parametrize("name", ["my docs", "a*b", "-a", "A", "a" * 41])
def test_a_collection_that_the_index_could_not_have_is_refused(config: Path, docs: Path, name: str) -> None:
    result = call(config, "sync", docs, f"--collection={name}")
    assert result.exit_code == 2
    assert "cannot be: expected at most 40" in " ".join(result.stderr.split())
    assert answer(config, "stats")["collections"] == []


def test_nothing_is_pruned_where_a_folder_is_closed(
    config: Path, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (docs / "inner").mkdir()
    (docs / "inner" / "b.md").write_text("# Parking\n\nAt the gate.")
    call(config, "sync", docs)
    monkeypatch.setattr(sources, "_is_closed", lambda path: path.name == "inner")
    result = call(config, "sync", docs, "--prune")
    assert (result.exit_code, "inner cannot be read" in result.stderr) == (2, True)
    assert call(config, "sync", docs).exit_code == 0
    assert [one["source"] for one in answer(config, "list")["documents"]] == ["a.md", "inner/b.md"]


def test_people_get_tables(config: Path, docs: Path) -> None:
    (docs / "b.pdf").write_bytes(b"no pdf")
    result = call(config, "sync", docs)
    assert result.exit_code == 4, "a file failed"
    assert "Added" in result.stdout
    assert "b.pdf: " in result.stderr
    shown = call(config, "show", "a.md")
    assert "[from]" in shown.stdout
    listed = call(config, "list")
    assert "Visiting" in listed.stdout
    assert "b.pdf: " in listed.stderr


def test_labels_and_collections_are_passed_on(config: Path, docs: Path) -> None:
    answer(config, "sync", docs, "--collection", "other", "--label", "staff", "--label", "nurses")
    assert answer(config, "list")["documents"] == []
    assert answer(config, "list", "--collection", "other")["documents"][0]["labels"] == ["nurses", "staff"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sync", "/no/such/folder"], "no file or folder"),
        (["show", "unknown.md"], "no document unknown.md"),
        (["remove", "unknown.md"], "no document unknown.md"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(config: Path, arguments: list[str], message: str) -> None:
    result = call(config, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


def test_wrong_settings_are_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("unknown: 1")
    result = call(tmp_path / "settings.yaml", "stats")
    assert result.exit_code == 2
    assert "unknown" in result.stderr


def test_a_folder_in_use_without_a_service_is_told_at_once(config: Path, tmp_path: Path) -> None:
    with OwnerLock(tmp_path / "data"):
        result = call(config, "stats")
    assert result.exit_code == 3
    assert "in use by process" in " ".join(result.stderr.split())


def test_a_data_folder_that_cannot_be_written_is_told(config: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    result = call(config, "stats")
    assert result.exit_code == 2
    assert str(tmp_path / "data") in "".join(result.stderr.split())


def test_a_damaged_library_is_told(config: Path, docs: Path, tmp_path: Path) -> None:
    answer(config, "stats")
    with closing(sqlite3.connect(tmp_path / "data" / "library.db")) as library:
        library.execute("DROP TABLE failures")
    result = call(config, "list")
    assert result.exit_code == 2
    assert "no such table: failures" in " ".join(result.stderr.split())
    assert "SELECT" not in result.stderr


def test_a_service_that_is_away_is_told(config: Path, tmp_path: Path) -> None:
    with OwnerLock(tmp_path / "data") as owner:
        owner.announce("http://127.0.0.1:9")
        # A long path of a temporary folder may be told on two lines.
        assert "admin.key" in "".join(call(config, "stats").stderr.split())
        key = tmp_path / "data" / "admin.key"
        key.write_text("\n")
        assert "is empty, expected the admin key" in " ".join(call(config, "stats").stderr.split())
        key.write_text(f"{KEY}\n")
        result = call(config, "stats")
    assert result.exit_code == 3
    assert "does not answer" in " ".join(result.stderr.split())


def test_a_running_service_does_the_work(config: Path, docs: Path, tmp_path: Path, open_in: OpenCorpus) -> None:
    with OwnerLock(tmp_path / "data") as owner, open_in() as corpus, served(AdminApi(corpus)) as url:
        (tmp_path / "data" / "admin.key").write_text(KEY)
        owner.announce(url)
        assert answer(config, "sync", docs)["added"] == ["a.md"]
        assert answer(config, "sync", docs)["unchanged"] == 1
        assert answer(config, "show", "a.md")["document"]["title"] == "Visiting"
        assert call(config, "remove", "a.md").exit_code == 0
        assert corpus.serving and corpus.library.documents(corpus.serving.id) == []


def test_a_sync_without_changes_loads_neither_model_nor_index(config: Path, docs: Path) -> None:
    answer(config, "sync", docs)
    code = "import sys; from ingest.commands import app; app(sys.argv[1:], standalone_mode=False)\n"
    code += "print(*{'torch', 'chromadb'} & sys.modules.keys(), file=sys.stderr)"
    command = [sys.executable, "-c", code, "sync", str(docs), "--json", "--config", str(config)]
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(again.stdout)["unchanged"] == 1
    assert again.stderr.strip() == ""


def test_a_path_in_an_error_can_be_copied(tmp_path: Path) -> None:
    missing = tmp_path / ("long-" * 20) / "settings.yaml"
    refused = call(missing, "stats")
    assert (refused.exit_code, str(missing) in refused.stderr) == (2, True)
