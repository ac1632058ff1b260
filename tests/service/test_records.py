import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from adapters.prompt import Turn
from ingest.database import Database, library_url
from service.outcomes import Outcome
from service.plan import Exposure, Layers, Manifest
from service.records import Records, UnknownConversation, UnknownMessage

MANIFEST = Manifest(Layers(None, None, None), Layers(None, None, None), {}, "model", "scripted", "0" * 64)
TALK = "talk"
EXPOSURE = Exposure("prompt-2026", "with", "ann", "prompt", "on")


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = Records(Database(library_url(None, tmp_path)))
    yield opened
    opened.close()


def ask(records: Records, number: int, *exposed: Exposure, user: str | None = "ann") -> str:
    turn = Turn(f"question {number}", f"answer {number}")
    records.store_answer(f"m{number}", TALK, user, turn, MANIFEST, exposed)
    return f"m{number}"


def test_the_last_turns_come_oldest_first(records: Records) -> None:
    for number in range(4):
        ask(records, number)
    turns = records.history(TALK, "ann", 2)
    assert turns == (Turn("question 2", "answer 2"), Turn("question 3", "answer 3"))
    assert records.history(TALK, "ann", 0) == ()


def test_a_conversation_is_kept_with_its_manifests_and_feedback(records: Records) -> None:
    first, second = ask(records, 1, user=None), ask(records, 2, user=None)
    records.give_feedback(first, None, Outcome("down", comment="The price is wrong."))
    records.give_feedback(first, None, Outcome("up"))
    kept = records.conversation(TALK, None)
    assert [message.id for message in kept.messages] == [first, second]
    assert kept.messages[0].manifest["engine"] == "scripted"
    assert kept.messages[0].feedback is not None
    assert (kept.messages[0].feedback.rating, kept.messages[0].feedback.comment) == ("up", None)
    assert kept.messages[1].feedback is None


def test_nothing_of_another_conversation_is_in_this_one(records: Records) -> None:
    first = ask(records, 1)
    for number, user in ((2, "bob"), (3, "ann")):
        records.store_answer(f"m{number}", f"talk of {user}", user, Turn("question", "answer"), MANIFEST)
    assert [message.id for message in records.conversation(TALK, "ann").messages] == [first]
    assert records.history(TALK, "ann", 9) == (Turn("question 1", "answer 1"),)


def test_a_turn_is_found_by_its_answer_alone_with_the_turns_before_it(records: Records) -> None:
    for number in range(3):
        ask(records, number)
    records.give_feedback("m1", "ann", Outcome("up"))
    records.store_answer("other", "another talk", "bob", Turn("question", "answer"), MANIFEST)
    turn = records.turn("m1")
    assert (turn.message.id, turn.message.question, turn.earlier) == (
        "m1",
        "question 1",
        (Turn("question 0", "answer 0"),),
    )
    assert turn.message.feedback is not None
    assert records.turn("other").earlier == ()
    with pytest.raises(UnknownMessage, match="never recorded, or it was removed"):
        records.turn("nothing")


@pytest.mark.parametrize("user", ["bob", None, "ANN"])
def test_another_user_s_conversation_is_as_unknown_as_none(records: Records, user: str | None) -> None:
    ask(records, 1)
    with pytest.raises(UnknownConversation) as of_another:
        records.history(TALK, user, 2)
    with pytest.raises(UnknownConversation) as of_nobody:
        records.history("0" * 32, user, 2)
    assert str(of_another.value).replace(TALK, "0" * 32) == str(of_nobody.value)
    with pytest.raises(UnknownConversation):
        records.conversation(TALK, user)


@pytest.mark.parametrize(("message", "user"), [("nothing", "ann"), ("m1", "bob"), ("m1", None)])
def test_feedback_needs_an_answer_of_the_user(records: Records, message: str, user: str | None) -> None:
    ask(records, 1)
    with pytest.raises(UnknownMessage, match="message_id"):
        records.give_feedback(message, user, Outcome("up"))
    with pytest.raises(UnknownMessage, match="message_id"):
        records.feedback(message, user)
    assert records.feedback("m1", "ann") == []


def test_a_unit_is_exposed_once_to_an_arm(records: Records) -> None:
    ask(records, 1, EXPOSURE)
    ask(records, 2, EXPOSURE)
    [kept] = records.exposures("prompt-2026")
    assert (kept.exposure, kept.message_id) == (EXPOSURE, "m1")
    assert records.exposures("another") == []


def test_an_answer_is_kept_as_a_whole_or_not_at_all(records: Records) -> None:
    broken = Exposure("prompt-2026", "with", "ann", "prompt", None)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError):
        ask(records, 1, broken)
    with pytest.raises(UnknownConversation):
        records.history(TALK, "ann", 9)


def test_records_outlive_the_process_and_are_durable(tmp_path: Path, records: Records) -> None:
    ask(records, 1, EXPOSURE)
    again = Records(Database(library_url(None, tmp_path)))
    assert again.history(TALK, "ann", 1) == (Turn("question 1", "answer 1"),)
    again.close()
    with closing(sqlite3.connect(tmp_path / "library.db")) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_many_threads_may_write(records: Records) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: ask(records, number, EXPOSURE), range(40)))
    assert len(records.conversation(TALK, "ann").messages) == 40
    assert len(records.exposures("prompt-2026")) == 1
