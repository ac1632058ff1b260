"""Exposures by bucket version on both databases, and what a database of an earlier program brings along."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import URL, create_engine, text

from adapters.prompt import Turn
from ingest.database import Database
from service.outcomes import Outcome
from service.plan import Exposure, Layers, Manifest
from service.records import Records

NOTHING = Layers(None, None, None)
MANIFEST = Manifest(NOTHING, NOTHING, {}, "model", "scripted", "0" * 64)
SPRING = "Adapter_spring-2026"
# As SQLAlchemy made it for the program before, on either database.
EARLIER_TABLE = """
CREATE TABLE exposures (
    experiment VARCHAR NOT NULL,
    unit VARCHAR NOT NULL,
    arm VARCHAR NOT NULL,
    factor VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    message_id VARCHAR NOT NULL,
    created VARCHAR NOT NULL,
    PRIMARY KEY (experiment, unit, arm),
    FOREIGN KEY(message_id) REFERENCES messages (id)
)
"""
EARLIER_ROW = "INSERT INTO exposures VALUES ('spring', 'ann', 'old', 'adapter', 'off', 'm1', '2026-11-01T08:00:00')"


@pytest.fixture
def records(url: URL) -> Iterator[Records]:
    with closing(Records(Database(url))) as records:
        yield records


def exposure(arm: str, version: int, user: str = "ann", experiment: str = SPRING) -> Exposure:
    return Exposure(experiment, arm, user, "adapter", "on", version)


def ask(records: Records, message_id: str, *exposed: Exposure, user: str = "ann") -> None:
    manifest = replace(
        MANIFEST,
        experiments={one.experiment: one.arm for one in exposed},
        bucket_versions={one.experiment: one.bucket_version for one in exposed},
    )
    records.store_answer(message_id, f"talk-{message_id}", user, Turn("When?", "Now."), manifest, exposed)


def counted(records: Records, *versions: int) -> list[tuple[str, str, str]]:
    return [(one.unit, one.arm, one.message_id) for one in records.outcomes(SPRING, *versions)]


def test_a_unit_s_past_is_its_first_answer_under_each_arm_and_version(records: Records) -> None:
    for number, one in enumerate([("b", 0), ("b", 0), ("a", 0), ("b", 1), ("b", 0)]):
        ask(records, f"m{number}", exposure(*one))
    ask(records, "other", exposure("a", 0, "bob"), exposure("c", 0, "bob", "june"), user="bob")
    kept = records.past("ann", [SPRING, "june"])
    assert kept == [exposure("b", 0), exposure("a", 0), exposure("b", 1)]
    assert records.past("bob", ["june"]) == [exposure("c", 0, "bob", "june")]
    assert records.past("cem", [SPRING]) == records.past("ann", []) == []
    assert [(one.exposure.bucket_version, one.message_id) for one in records.exposures(SPRING)] == [
        (0, "m0"),
        (0, "m2"),
        (1, "m3"),
        (0, "other"),
    ]


def test_answers_count_in_their_own_version(records: Records) -> None:
    """The same arm before and after: only the manifest tells which answer was under which version."""
    ask(records, "m1", exposure("a", 0))
    ask(records, "m2", exposure("a", 1))
    ask(records, "m3", exposure("a", 1))
    ask(records, "m4", exposure("b", 1, "bob"), user="bob")
    assert counted(records) == counted(records, 0) == [("ann", "a", "m1")]
    assert counted(records, 1) == [("ann", "a", "m2"), ("ann", "a", "m3"), ("bob", "b", "m4")]
    assert counted(records, 1, 1) == [("bob", "b", "m4")]
    assert counted(records, 2) == []


def test_the_past_ends_with_the_first_exposure_of_any_version(records: Records) -> None:
    """What an arm of an earlier version did is no past that a later one is measured against."""
    ask(records, "m1")
    ask(records, "m2", exposure("a", 0))
    ask(records, "m3", exposure("b", 1))
    for message, rating in (("m1", "up"), ("m2", "down")):
        records.give_feedback(message, "ann", Outcome(rating))  # type: ignore[arg-type]
    assert records.ratings_before(SPRING) == {"ann": 1.0}


def test_exposures_of_an_earlier_program_are_of_version_0(url: URL) -> None:
    with closing(Records(Database(url))) as records:
        ask(records, "m1")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE exposures"))
        connection.execute(text(EARLIER_TABLE))
        connection.execute(text(EARLIER_ROW))
    for _ in range(2):
        with closing(Records(Database(url))) as records:
            [kept] = records.exposures("spring")
            assert (kept.exposure, kept.message_id) == (Exposure("spring", "old", "ann", "adapter", "off"), "m1")
    with closing(Records(Database(url))) as records:
        again = replace(kept.exposure, bucket_version=1)
        ask(records, "m2", kept.exposure, again)
        assert records.past("ann", ["spring"]) == [kept.exposure, again]
    # The earlier program writes beside this one, and knows of no version.
    columns = "(experiment, unit, arm, factor, value, message_id, created)"
    with engine.begin() as connection:
        connection.execute(text(EARLIER_ROW.replace("exposures", f"exposures {columns}").replace("ann", "bob")))
    engine.dispose()
    with closing(Records(Database(url))) as records:
        assert [one.bucket_version for one in records.past("bob", ["spring"])] == [0]


def test_an_answer_of_an_earlier_program_counts_in_version_0(url: URL) -> None:
    with closing(Records(Database(url))) as records:
        ask(records, "m1", exposure("a", 0))
    engine = create_engine(url)
    with engine.begin() as connection:
        [stored] = connection.execute(text("SELECT CAST(manifest AS TEXT) FROM messages")).scalars()
        earlier = stored.replace(f', "bucket_versions": {{"{SPRING}": 0}}', "")
        assert earlier != stored
        connection.execute(text("UPDATE messages SET manifest = :earlier"), {"earlier": earlier})
    engine.dispose()
    with closing(Records(Database(url))) as records:
        assert counted(records, 0) == [("ann", "a", "m1")]
        assert counted(records, 1) == []
