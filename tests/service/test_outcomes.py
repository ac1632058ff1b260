"""Outcomes on both databases, and what a database of the first program brings along."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, text

from adapters.prompt import Turn
from ingest.database import Database
from service.outcomes import Outcome
from service.plan import Exposure, Layers, Manifest
from service.records import Records

NOTHING = Layers(None, None, None)
MANIFEST = Manifest(NOTHING, NOTHING, {}, "model", "scripted", "0" * 64, timings={"retrieve": 9.5, "answer": 90.0})
WRONG = Outcome("down", ("answer_wrong", "unsafe"), "No.", "From 10 to 8.", escalated=True, follow_up_needed=True)
SPRING = "Adapter_spring-2026"
# As SQLAlchemy made it for the first program, on either database.
FIRST_TABLE = """
CREATE TABLE feedback (
    message_id VARCHAR NOT NULL,
    rating VARCHAR NOT NULL,
    reason TEXT,
    created VARCHAR NOT NULL,
    PRIMARY KEY (message_id),
    FOREIGN KEY(message_id) REFERENCES messages (id)
)
"""


@pytest.fixture
def records(url: URL) -> Iterator[Records]:
    with closing(Records(Database(url))) as records:
        yield records


def ask(records: Records, message_id: str, user: str | None = "ann", **arms: str) -> None:
    """An answer under these arms of these experiments, in a conversation of its own."""
    exposed = [Exposure(key, arm, str(user), "adapter", "on") for key, arm in arms.items()]
    manifest = replace(MANIFEST, experiments=arms)
    records.store_answer(message_id, f"talk-{message_id}", user, Turn("When?", "Now."), manifest, exposed)


def test_the_latest_word_counts_and_the_earlier_ones_stay(records: Records) -> None:
    ask(records, "m1")
    for outcome in (Outcome("up"), WRONG, Outcome("up")):
        records.give_feedback("m1", "ann", outcome)
    words = records.feedback("m1", "ann")
    assert [word.rating for word in words] == ["up", "down", "up"]
    assert asdict(WRONG).items() <= asdict(words[1]).items()
    assert sorted(word.number for word in words) == [word.number for word in words]
    latest = records.conversation("talk-m1", "ann").messages[0].feedback
    assert latest == words[-1]


def test_the_same_word_again_is_kept_once(records: Records) -> None:
    ask(records, "m1")
    for outcome in (WRONG, WRONG, Outcome("down"), WRONG):
        records.give_feedback("m1", "ann", outcome)
    assert [word.comment for word in records.feedback("m1", "ann")] == ["No.", None, "No."]


def test_an_outcome_tells_what_stood_in_the_layer(records: Records) -> None:
    style = replace(MANIFEST, acted=Layers("house@1", None, "style@2"), adapter_sha256="1f2e3d4c5b")
    nothing_found = replace(MANIFEST, path="no_sources")
    for number, made in enumerate((style, MANIFEST, nothing_found)):
        exposed = [Exposure(SPRING, "treatment", f"u{number}", "adapter", "on")]
        manifest = replace(made, experiments={SPRING: "treatment"})
        records.store_answer(f"m{number}", f"t{number}", f"u{number}", Turn("When?", "Now."), manifest, exposed)
    assert [row.made_by for row in records.outcomes(SPRING)] == ["style@2 1f2e3d4c", "off", None]


def test_outcomes_are_joined_to_every_answer_under_an_arm(records: Records) -> None:
    ask(records, "m1", **{SPRING: "treatment", "other": "control"})
    ask(records, "m2", **{SPRING: "treatment"})
    ask(records, "m3", user="bob", **{SPRING: "control"})
    ask(records, "m4", user="bob")
    ask(records, "m5", user=None)
    for message, user, outcome in (("m2", "ann", Outcome("up")), ("m2", "ann", WRONG), ("m4", "bob", WRONG)):
        records.give_feedback(message, user, outcome)
    rows = records.outcomes(SPRING)
    assert [(row.unit, row.arm, row.message_id, row.rating) for row in rows] == [
        ("ann", "treatment", "m1", None),
        ("ann", "treatment", "m2", "down"),
        ("bob", "control", "m3", None),
    ]
    assert {row.experiment for row in rows} == {SPRING}
    assert {row.latency_ms for row in rows} == {99.5}
    silent, said, _ = rows
    assert (silent.reasons, silent.corrected, silent.escalated, silent.follow_up_needed) == (
        (),
        False,
        False,
        False,
    )
    assert (said.reasons, said.corrected) == (("answer_wrong", "unsafe"), True)
    assert (said.escalated, said.follow_up_needed) == (True, True)
    assert [row.message_id for row in records.outcomes("other")] == ["m1"]
    assert records.outcomes("autumn") == []


def test_what_a_unit_said_before_its_first_exposure(records: Records) -> None:
    for message in ("m1", "m2", "m3"):
        ask(records, message)
    ask(records, "m4", user="bob")
    ask(records, "m5", user="cem")
    for message, arms in (("m6", "ann"), ("m7", "ann"), ("m8", "bob")):
        ask(records, message, user=arms, **{SPRING: "treatment"})
    for message, user, outcome in (
        ("m1", "ann", WRONG),
        ("m1", "ann", Outcome("up")),
        ("m2", "ann", WRONG),
        ("m6", "ann", WRONG),
        ("m5", "cem", WRONG),
    ):
        records.give_feedback(message, user, outcome)
    assert records.ratings_before(SPRING) == {"ann": 0.0, "bob": 0.0}
    records.give_feedback("m3", "ann", Outcome("up"))
    assert records.ratings_before(SPRING) == {"ann": pytest.approx(1 / 3), "bob": 0.0}
    assert records.ratings_before("autumn") == {}


def test_a_database_of_the_first_program_brings_its_feedback_along(url: URL) -> None:
    with closing(Records(Database(url))) as records:
        ask(records, "m1")
        ask(records, "m2")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE outcomes"))
        connection.execute(text(FIRST_TABLE))
        say(connection, "m1", "down", "Sundays differ.")
        say(connection, "m2", "up", None)
    for again in range(2):
        with closing(Records(Database(url))) as records:
            [word] = records.feedback("m1", "ann")
            assert (word.rating, word.comment, word.reasons) == ("down", "Sundays differ.", ()), again
            assert word.created == "2026-11-01T08:00:00+00:00"
            assert [one.rating for one in records.feedback("m2", "ann")] == ["up"]
    # The first program runs once more beside this one, and somebody changes their mind there.
    with engine.begin() as connection:
        say(connection, "m1", "up", None)
    engine.dispose()
    with closing(Records(Database(url))) as records:
        assert [word.rating for word in records.feedback("m1", "ann")] == ["down", "up"]


def say(connection: Any, message: str, rating: str, reason: str | None) -> None:
    values = {"message": message, "rating": rating, "reason": reason}
    row = text("INSERT INTO feedback VALUES (:message, :rating, :reason, '2026-11-01T08:00:00+00:00')")
    connection.execute(row, values)
