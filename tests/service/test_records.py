import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from adapters.prompt import Turn
from ingest.database import Database, library_url
from service.plan import Exposure, Layers, Manifest
from service.records import Records, UnknownConversation, UnknownMessage

MANIFEST = Manifest(Layers(None, None, None), Layers(None, None, None), {}, "model", "scripted", "0" * 64)
EXPOSURE = Exposure("prompt-2026", "with", "ann", "prompt", "on")


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = Records(Database(library_url(None, tmp_path)))
    yield opened
    opened.close()


def ask(records: Records, conversation: str, number: int, *exposed: Exposure) -> str:
    turn = Turn(f"question {number}", f"answer {number}")
    records.store_answer(f"m{number}", conversation, turn, MANIFEST, exposed)
    return f"m{number}"


def test_the_last_turns_come_oldest_first(records: Records) -> None:
    conversation = records.start_conversation("ann")
    for number in range(4):
        ask(records, conversation, number)
    turns = records.history(conversation, "ann", 2)
    assert turns == (Turn("question 2", "answer 2"), Turn("question 3", "answer 3"))
    assert records.history(conversation, "ann", 0) == ()


def test_a_conversation_is_kept_with_its_manifests_and_feedback(records: Records) -> None:
    conversation = records.start_conversation(None)
    first, second = ask(records, conversation, 1), ask(records, conversation, 2)
    records.feedback(first, "down", "The price is wrong.")
    records.feedback(first, "up")
    kept = records.conversation(conversation, None)
    assert [message.id for message in kept.messages] == [first, second]
    assert kept.messages[0].manifest["engine"] == "scripted"
    assert kept.messages[0].feedback is not None
    assert (kept.messages[0].feedback.rating, kept.messages[0].feedback.reason) == ("up", None)
    assert kept.messages[1].feedback is None


@pytest.mark.parametrize("user", ["bob", None, "ANN"])
def test_another_user_s_conversation_is_as_unknown_as_none(records: Records, user: str | None) -> None:
    conversation = records.start_conversation("ann")
    with pytest.raises(UnknownConversation) as of_another:
        records.history(conversation, user, 2)
    with pytest.raises(UnknownConversation) as of_nobody:
        records.history("0" * 32, user, 2)
    assert str(of_another.value).replace(conversation, "0" * 32) == str(of_nobody.value)
    with pytest.raises(UnknownConversation):
        records.conversation(conversation, user)


def test_feedback_needs_an_answer(records: Records) -> None:
    with pytest.raises(UnknownMessage, match="message_id"):
        records.feedback("nothing", "up")


def test_a_unit_is_exposed_once_to_an_arm(records: Records) -> None:
    conversation = records.start_conversation("ann")
    ask(records, conversation, 1, EXPOSURE)
    ask(records, conversation, 2, EXPOSURE)
    [kept] = records.exposures("prompt-2026")
    assert (kept.exposure, kept.message_id) == (EXPOSURE, "m1")
    assert records.exposures("another") == []


def test_an_answer_is_kept_as_a_whole_or_not_at_all(records: Records) -> None:
    conversation = records.start_conversation("ann")
    broken = Exposure("prompt-2026", "with", "ann", "prompt", None)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError):
        ask(records, conversation, 1, broken)
    assert records.history(conversation, "ann", 9) == ()


def test_an_answer_belongs_to_a_conversation(records: Records) -> None:
    with pytest.raises(IntegrityError):
        ask(records, "nowhere", 1)


def test_records_outlive_the_process_and_are_durable(tmp_path: Path, records: Records) -> None:
    conversation = records.start_conversation("ann")
    ask(records, conversation, 1, EXPOSURE)
    again = Records(Database(library_url(None, tmp_path)))
    assert again.history(conversation, "ann", 1) == (Turn("question 1", "answer 1"),)
    again.close()
    with closing(sqlite3.connect(tmp_path / "library.db")) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_many_threads_may_write(records: Records) -> None:
    conversation = records.start_conversation("ann")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: ask(records, conversation, number, EXPOSURE), range(40)))
    assert len(records.conversation(conversation, "ann").messages) == 40
    assert len(records.exposures("prompt-2026")) == 1
