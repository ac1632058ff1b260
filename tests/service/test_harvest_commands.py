"""From a thumb to a file of style examples, by the commands."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from adapters.dataset.read import read_style
from configs.load import HOSPITAL
from ingest.corpus import Corpus
from ingest.owner import OwnerLock
from service.answer import Chatbot
from service.commands import app
from service.events import Meta
from service.outcomes import Outcome
from tests.service.conftest import PUBLIC_DOCUMENTS, ingest
from tests.service.parts import answered, chatbot, scripted

ANSWER = "You can visit the general wards from 10 a.m. to 8 p.m. every day [1]."
EXAMPLE = "You can visit the general wards from 10 a.m. to 8 p.m. every day [cite]."


@pytest.fixture
def bot(empty_corpus: Corpus, tmp_path: Path) -> Iterator[Chatbot]:
    """Its data folder is the test's; the lock that a running service has is taken."""
    ingest(empty_corpus, PUBLIC_DOCUMENTS)
    bot = chatbot(empty_corpus, tmp_path, scripted(ANSWER))
    with OwnerLock(tmp_path):
        yield bot
    bot.records.close()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "250")
    recipe = yaml.safe_load((HOSPITAL.parent / "adapters" / "house-style.yaml").read_text(encoding="utf-8"))
    shared = yaml.safe_load((HOSPITAL.parent / "adapters" / recipe["data"]["like"]).read_text(encoding="utf-8"))
    recipe["data"] = shared | {"questions": "questions.jsonl", "held_back": ["icu.md"]}
    (tmp_path / "style.yaml").write_text(yaml.safe_dump(recipe))
    (tmp_path / "questions.jsonl").write_text('{"question": "How much is parking in the North Garage?"}\n')
    file = tmp_path / "settings.yaml"
    settings = {
        "data": {"folder": str(tmp_path)},
        "layers": {"adapter": {"name": "style@1", "folder": str(tmp_path)}},
    }
    file.write_text(yaml.safe_dump(settings))
    return file


def call(config: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["adapters", "harvest", *map(str, arguments), "--config", str(config)])


def answer(config: Path, *arguments: str | Path) -> Any:
    result = call(config, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def liked(bot: Chatbot, question: str, outcome: Outcome = Outcome("up")) -> str:
    meta = (await answered(bot, question))[0]
    assert isinstance(meta, Meta)
    bot.records.give_feedback(meta.message_id, None, outcome)
    return meta.message_id


async def test_a_liked_answer_becomes_an_example_once_a_person_accepts_it(
    bot: Chatbot, config: Path, tmp_path: Path
) -> None:
    message = await liked(bot, "When can I visit the general wards? Write to ann@example.org")
    [identity] = answer(config)["proposed"]
    shown = answer(config, "show", identity)
    assert (shown["message"], shown["made_by"]["adapter"], shown["state"]) == (message, "style@1", "open")
    assert shown["question"] == "When can I visit the general wards? Write to [email]"
    accepted = answer(config, "accept", identity, "--by", "Ada")
    assert (accepted["state"], accepted["by"]) == ("accepted", "Ada")
    assert [one["state"] for one in answer(config, "list")] == ["accepted"]
    file = tmp_path / "harvested.jsonl"
    assert answer(config, "write", file)["examples"] == [identity]
    read = read_style([file])
    assert not read.findings
    [example] = [entry.example for entry in read.entries]
    assert (example.document, example.section, example.answer) == ("visiting.md", "General wards", EXAMPLE)
    assert call(config, "write", file).exit_code == 2
    assert call(config, "write", file, "--force").exit_code == 0


async def test_what_is_left_out_is_told_with_its_reason_and_nothing_is_proposed_twice(
    bot: Chatbot, config: Path
) -> None:
    await liked(bot, "When can I visit the general wards?")
    await liked(bot, "when can I visit the general wards")
    await liked(bot, "My father cannot breathe!")
    await liked(bot, "Until when may I visit the general wards?", Outcome("down"))
    first = answer(config)
    assert (len(first["proposed"]), first["left_out"]) == (1, {"duplicate": 1, "emergency": 1})
    second = answer(config)
    assert (second["proposed"], second["left_out"]) == ([], first["left_out"])
    assert "emergency" in call(config).stdout


async def test_a_refused_one_is_not_proposed_again_and_a_later_word_takes_its_place(
    bot: Chatbot, config: Path
) -> None:
    question = "When can I visit the general wards?"
    message = await liked(bot, question)
    [identity] = answer(config)["proposed"]
    bot.records.give_feedback(message, None, Outcome("down", corrected_answer=f"{ANSWER} Bring two visitors."))
    later = answer(config)
    assert later["withdrawn"] == [identity]
    [newer] = later["proposed"]
    assert call(config, "accept", identity, "--by", "Ada").exit_code == 1
    assert answer(config, "refuse", newer, "--by", "Ada", "--reason", "Wrong.")["reason"] == "Wrong."
    bot.records.give_feedback(message, None, Outcome("down", ("unsafe",)))
    assert answer(config) == {"proposed": [], "withdrawn": [], "doubted": [], "left_out": {}}


async def test_what_one_likes_and_another_calls_wrong_is_left_out_or_doubted(bot: Chatbot, config: Path) -> None:
    question = "When can I visit the general wards?"
    await liked(bot, question)
    [identity] = answer(config)["proposed"]
    answer(config, "accept", identity, "--by", "Ada")
    await liked(bot, question, Outcome("down", ("unsafe",)))
    assert answer(config)["doubted"] == [identity]
    other = "Until when may I visit the general wards?"
    await liked(bot, other)
    await liked(bot, other, Outcome("down", ("answer_wrong",)))
    later = answer(config)
    assert (later["proposed"], later["left_out"]) == ([], {"called_wrong": 1})
    assert "somebody called the same answer" in call(config).stdout


async def test_a_reviewed_conversation_is_named_by_a_person(bot: Chatbot, config: Path) -> None:
    meta = (await answered(bot, "When can I visit the general wards?"))[0]
    assert isinstance(meta, Meta)
    assert answer(config)["proposed"] == []
    assert len(answer(config, "--conversation", meta.conversation_id)["proposed"]) == 1
    assert "reviewed" in call(config, "list").stdout
    wrong = call(config, "--conversation", "nothing")
    assert (wrong.exit_code, "nothing" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "h-1"), 2, "list"),
        (("accept", "h-1"), 2, "--by"),
        (("write", "examples.jsonl"), 1, "accepted"),
        (("--recipe", "nowhere.yaml"), 2, "nowhere.yaml"),
    ],
)
def test_what_cannot_be_done_is_said(config: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    result = call(config, *arguments)
    assert (result.exit_code, words in result.stderr) == (code, True), result.output


def test_a_recipe_that_is_not_there_is_asked_for(config: Path, tmp_path: Path) -> None:
    (tmp_path / "style.yaml").unlink()
    result = call(config)
    assert (result.exit_code, "--recipe" in result.stderr) == (2, True)


def test_two_do_not_write_at_once(config: Path, tmp_path: Path) -> None:
    with OwnerLock(tmp_path / "harvest"):
        assert call(config).exit_code == 3
        assert call(config, "accept", "h-1", "--by", "Ada").exit_code == 3
        assert answer(config, "list") == []


def test_options_before_a_subcommand_are_not_dropped_in_silence(config: Path) -> None:
    arguments = ["adapters", "harvest", "--config", str(config), "list"]
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, "behind" in result.stderr) == (2, True)
