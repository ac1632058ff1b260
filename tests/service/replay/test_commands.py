"""From a document to a stored answer and its replays, by the commands, with the real model."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from configs.load import HOSPITAL, current_environment, load_settings
from configs.settings import Settings
from ingest.models import ModelError, locate
from ingest.owner import OwnerLock
from service.answer import Question
from service.build import build
from service.commands import app
from service.replay.commands import WrongSwitch, switches_of
from service.switches import Overrides
from service.transcript import gathered
from tests.service.conftest import PUBLIC_DOCUMENTS, data_folder

QUESTIONS = ("When can I visit the general wards?", "my dad has crushing chest pain")


@pytest.fixture
def settings(tmp_path: Path, derived: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The hospital's, with a data folder of its own and short answers of the base."""
    folder = data_folder(tmp_path, derived)
    values = {"DATA__FOLDER": folder, "LAYERS__ADAPTER__SWITCH": "off", "SAMPLING__MAX_TOKENS": 12}
    for key, value in values.items():
        monkeypatch.setenv(f"TRIPTYCH__{key}", str(value))
    monkeypatch.setenv("COLUMNS", "200")
    return load_settings(HOSPITAL, current_environment()).settings


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--config", str(HOSPITAL)])


def values(*arguments: str) -> Any:
    result = call("replay", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def kept(settings: Settings) -> list[str]:
    """The ids of recorded answers."""
    async with build(settings) as chatbot:
        plan = chatbot.plan(Overrides(), None)
        found = [await gathered(chatbot.answer(Question(one), plan)) for one in QUESTIONS]
    return [one.meta.message_id for one in found]


def test_a_stored_turn_is_asked_again(settings: Settings, tmp_path: Path) -> None:
    try:
        locate(settings.engine.base.model, settings.engine.base.sha256)
    except ModelError as error:
        pytest.skip(str(error))
    documents = tmp_path / "documents"
    documents.mkdir()
    for name, text in PUBLIC_DOCUMENTS.items():
        (documents / name).write_text(text, encoding="utf-8")
    assert call("ingest", "sync", documents).exit_code == 0
    message, emergency = asyncio.run(kept(settings))
    same = values(message)
    assert (same["equal"], same["differences"], same["switched"]) == (True, [], {})
    assert {one["said"] for one in same["sentences"]} == {"same"}
    assert values(emergency)["now"]["manifest"]["path"] == "emergency"
    bare = values(f"chatcmpl-{message}", "--without", "prompt", "--without", "retrieval")
    assert bare["now"]["manifest"]["acted"] == {"prompt": None, "retrieval": None, "adapter": None}
    assert bare["switched"].keys() == {"prompt", "retrieval"}
    assert call("ingest", "remove", "visiting.md").exit_code == 0
    gone = call("replay", message)
    assert gone.exit_code == 0, gone.output
    assert "visiting.md > General wards that was shown as 1 is no longer in the collection hospital" in gone.stdout
    unknown = call("replay", message, "--with", "adapter=house-style@99")
    assert (unknown.exit_code, "house-style@99" in unknown.stderr) == (2, True)
    missing = call("replay", "0" * 32)
    assert (missing.exit_code, "is kept" in missing.stderr) == (1, True)


def test_a_folder_in_use_is_told(settings: Settings) -> None:
    with OwnerLock(settings.data.folder):
        result = call("replay", "0" * 32)
    assert result.exit_code == 3
    assert "A replay needs the data folder for itself." in result.stderr


def test_switches_are_read() -> None:
    assert switches_of((), ()) == {}
    found = switches_of(("prompt",), ("adapter=house-style@1*0.5", "retrieval=guides"))
    assert found == {"prompt": "off", "adapter": "house-style@1*0.5", "retrieval": "guides"}


@pytest.mark.parametrize(
    ("without", "instead", "message"),
    [
        (("colour",), (), "There is no layer 'colour'; there are: prompt, retrieval, adapter."),
        ((), ("adapter",), "Expected --with LAYER=NAME"),
        ((), ("adapter=",), "Expected --with LAYER=NAME"),
        (("adapter",), ("adapter=house-style@1",), "is switched twice: off and house-style@1"),
    ],
)
def test_a_wrong_switch_is_told_before_anything_is_loaded(
    settings: Settings, without: Sequence[str], instead: Sequence[str], message: str
) -> None:
    with pytest.raises(WrongSwitch) as refused:
        switches_of(without, instead)
    assert message in str(refused.value)
    options = [*(word for one in without for word in ("--without", one))]
    options += [word for one in instead for word in ("--with", one)]
    result = call("replay", "0" * 32, *options)
    assert (result.exit_code, message in " ".join(result.stderr.split())) == (2, True)
