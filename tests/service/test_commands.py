import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from sqlalchemy.exc import DatabaseError
from typer.testing import CliRunner, Result

from adapters.terminal import settings_of
from configs.load import HOSPITAL
from ingest.owner import OwnerLock
from service.commands import app, with_reasons
from service.events import Delta, Done
from tests.service.scripted import GOOD_ANSWER, MANIFEST, PASSAGE, ScriptedChatbot, running

BRACKETS = r"Hand in [/form] or [red] or \[a]."


class Bracketed(ScriptedChatbot):
    """Its documents have square brackets."""

    async def search(self, query: str, *_: Any) -> SimpleNamespace:
        passage = replace(PASSAGE, text=BRACKETS, title="[/b]")
        return SimpleNamespace(query=query, degraded=False, passages=(passage,))


@contextmanager
def beside(chatbot: ScriptedChatbot, folder: Path) -> Iterator[None]:
    """A service that owns the folder's data."""
    with running(chatbot) as client, OwnerLock(folder / "data") as owner:
        owner.announce(str(client.base_url).rstrip("/"))
        yield


def call(folder: Path, *arguments: str, **settings: Any) -> Result:
    config = folder / "settings.yaml"
    config.write_text(json.dumps({"data": {"folder": str(folder / "data")}, **settings}))
    return CliRunner().invoke(app, [*arguments, "--config", str(config)])


def in_one_line(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


def test_settings_are_shown_without_the_password_of_an_address(tmp_path: Path) -> None:
    database, told = "postgresql+psycopg://ada:pa/ss@db:5432/library", "Write to: help@hospital.test"
    shown = call(tmp_path, "config", "show", "--json", library={"url": database}, guard={"no_answer": told})
    values = {row["setting"]: row["value"] for row in json.loads(shown.stdout)}
    assert values["library.url"] == "postgresql+psycopg://ada:***@db:5432/library"
    assert values["guard.no_answer"] == told
    assert values["engine.openai.url"] == "http://127.0.0.1:8002/v1"


def test_square_brackets_in_settings_are_shown_as_they_are(tmp_path: Path) -> None:
    shown = call(tmp_path, "config", "show", name="St. [/b] Mary's")
    assert (shown.exit_code, "St. [/b] Mary's" in shown.stdout) == (0, True)


def test_square_brackets_in_documents_are_shown_as_they_are(tmp_path: Path) -> None:
    with beside(Bracketed(), tmp_path):
        found = call(tmp_path, "search", "where?")
    assert found.exit_code == 0
    for word in ("[/form]", "[red]", r"\[a].", "[/b]"):
        assert word in found.stdout


def test_square_brackets_in_questions_and_answers_are_shown_as_they_are(tmp_path: Path) -> None:
    with beside(ScriptedChatbot(*GOOD_ANSWER[:2], Delta(BRACKETS), Done(BRACKETS, MANIFEST)), tmp_path):
        shown = call(tmp_path, "compare", "Where is [/form]?")
    assert shown.exit_code == 0
    assert "Where is [/form]?" in shown.stdout
    assert "[red]" in shown.stdout


def test_a_refused_request_is_told_with_its_reason(tmp_path: Path) -> None:
    with beside(ScriptedChatbot(), tmp_path):
        for command in ("search", "compare"):
            refused = call(tmp_path, command, " ")
            assert refused.exit_code == 1
            assert "expected some text, not only blanks" in in_one_line(refused.stderr)


def test_a_folder_in_use_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    with OwnerLock(tmp_path / "data"):
        for command in (["search", "where?"], ["serve"]):
            refused = call(tmp_path, *command, server={"port": 0})
            assert refused.exit_code == 3
            assert "is in use by process" in in_one_line(refused.stderr)


def test_a_path_in_an_error_can_be_copied(tmp_path: Path) -> None:
    missing = tmp_path / ("long-" * 20) / "settings.yaml"
    refused = CliRunner().invoke(app, ["config", "show", "--config", str(missing)])
    assert (refused.exit_code, str(missing) in refused.stderr) == (2, True)


def test_what_a_damaged_database_says_is_told_without_the_statement(capsys: pytest.CaptureFixture[str]) -> None:
    damaged = DatabaseError("SELECT secret", {}, sqlite3.DatabaseError("database disk image is malformed"))

    async def served() -> None:
        raise damaged

    with pytest.raises(typer.Exit):
        with_reasons(served())
    with pytest.raises(typer.Exit), settings_of(HOSPITAL):
        raise damaged
    told = in_one_line(capsys.readouterr().err)
    assert told.count("cannot be read or written: database disk image is malformed.") == 2
    assert "secret" not in told
