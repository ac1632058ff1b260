import json
from pathlib import Path

from typer.testing import CliRunner

from service.commands import app


def test_settings_are_shown_without_the_password_of_an_address(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    database, told = "postgresql+psycopg://ada:pa/ss@db:5432/library", "Write to: help@hospital.test"
    config.write_text(json.dumps({"library": {"url": database}, "guard": {"no_answer": told}}))
    shown = CliRunner().invoke(app, ["config", "show", "--json", "--config", str(config)])
    values = {row["setting"]: row["value"] for row in json.loads(shown.stdout)}
    assert values["library.url"] == "postgresql+psycopg://ada:***@db:5432/library"
    assert values["guard.no_answer"] == told
    assert values["engine.openai.url"] == "http://127.0.0.1:8002/v1"
