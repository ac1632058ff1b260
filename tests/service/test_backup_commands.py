import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ingest.database import Database, library_url
from ingest.owner import OwnerLock
from service.commands import app


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIPTYCH__DATA__FOLDER", str(tmp_path / "data"))
    return tmp_path / "data"


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_beside_a_service_and_back_into_an_empty_folder(data: Path, tmp_path: Path) -> None:
    assert call("backup", tmp_path / "kept").exit_code == 1, "there is nothing yet"
    data.mkdir()
    Database(library_url(None, data)).close()
    with OwnerLock(data):
        made = call("backup", tmp_path / "kept", "--json")
        assert list(json.loads(made.stdout)["files"]) == ["library.db"]
        assert call("restore", tmp_path / "kept").exit_code == 3
    assert "is not empty" in call("restore", tmp_path / "kept").stderr
    data.rename(tmp_path / "lost")
    restored = call("restore", tmp_path / "kept")
    assert restored.exit_code == 0, restored.output
    assert "makes the index anew" in " ".join(restored.output.split())
    assert (data / "library.db").is_file()
    assert call("backup", tmp_path / "kept").exit_code == 1
    assert call("restore", tmp_path / "lost").exit_code == 1
