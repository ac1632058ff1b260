import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine

from ingest.database import Database, library_url
from service.acts import FIELDS, Act, add_act, kept_acts, last_acts, merge_acts
from service.experiments.running import EARLIER_LOG
from service.records import Records
from service.records_schema import metadata

Acts = list[dict[str, Any]]


def acts_at(seconds: list[int]) -> Acts:
    """In the order of their times; those of one second may be alike."""
    times = (f"2026-03-01T10:00:{second:02}+00:00" for second in sorted(seconds))
    return [{"at": at, "by": "Ada", "act": "start", "experiment": "spring"} for at in times]


SECONDS = st.lists(st.integers(0, 5), max_size=6)


@pytest.fixture
def connection() -> Iterator[Connection]:
    yield from opened()


def opened() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        yield connection
    engine.dispose()


def test_acts_come_in_their_order_with_who_and_when(connection: Connection) -> None:
    add_act(connection, "start", "spring", "Ada")
    add_act(connection, "stop", "spring", "Ben")
    kept = kept_acts(connection)
    assert [(one["act"], one["by"], one["experiment"]) for one in kept] == [
        ("start", "Ada", "spring"),
        ("stop", "Ben", "spring"),
    ]
    assert all(one.keys() == set(FIELDS) and one["at"].endswith("+00:00") for one in kept)


def test_the_last_act_of_each_experiment_counts(connection: Connection) -> None:
    assert last_acts(connection) == {}
    acts: list[tuple[Act, str]] = [("start", "spring"), ("start", "june"), ("stop", "spring"), ("stop", "june")]
    numbers = [add_act(connection, act, experiment, "Ada") for act, experiment in acts]
    assert last_acts(connection) == {"spring": "stop", "june": "stop"}
    assert last_acts(connection, before=numbers[3]) == {"spring": "stop", "june": "start"}
    assert last_acts(connection, before=numbers[1]) == {"spring": "start"}


@given(SECONDS, SECONDS)
def test_merged_acts_are_all_there_by_time_and_a_second_time_changes_nothing(
    one: list[int], two: list[int]
) -> None:
    first, second = acts_at(one), [{**act, "experiment": "june"} for act in acts_at(two)]
    for connection in opened():
        merge_acts(connection, first)
        merge_acts(connection, second)
        kept = kept_acts(connection)
        assert Counter(map(itemgetter(*FIELDS), kept)) == Counter(map(itemgetter(*FIELDS), [*first, *second]))
        assert [act["at"] for act in kept] == sorted(act["at"] for act in kept)
        for again in (first, second):
            merge_acts(connection, again)
        assert kept_acts(connection) == kept


def test_what_was_done_here_later_stays_the_last_word(connection: Connection) -> None:
    """Two services, each with a file of its own, come to one database one after the other."""
    merge_acts(connection, [{**acts_at([30])[0], "act": "stop"}])
    merge_acts(connection, acts_at([10]))
    assert [(one["at"][17:19], one["act"]) for one in kept_acts(connection)] == [("10", "start"), ("30", "stop")]
    add_act(connection, "start", "spring", "Ben")
    assert kept_acts(connection)[-1]["by"] == "Ben"


def test_acts_that_are_here_keep_their_order_whatever_their_clocks_said(connection: Connection) -> None:
    merge_acts(connection, [*acts_at([40]), {**acts_at([20])[0], "act": "stop"}])
    merge_acts(connection, acts_at([5]))
    assert [one["at"][17:19] for one in kept_acts(connection)] == ["05", "40", "20"]


def test_merging_waits_for_another_writer_and_misses_nothing_of_it(tmp_path: Path) -> None:
    """As when a service starts while its own index, or a command, still writes to the same database."""
    with closing(Records(Database(library_url(None, tmp_path)))) as one, ThreadPoolExecutor(1) as pool:
        other = Database(library_url(None, tmp_path))
        with other.write() as connection:
            add_act(connection, "stop", "spring", "Ada")
            (tmp_path / EARLIER_LOG).write_text(f"{json.dumps(acts_at([1])[0])}\n", encoding="utf-8")
            merging = pool.submit(one.experiments.take_over, tmp_path / EARLIER_LOG)
            wait([merging], 0.3)
            add_act(connection, "start", "june", "Ada")
        merging.result()
        other.close()
        assert [(act["act"], act["experiment"]) for act in one.experiments.acts()] == [
            ("start", "spring"),
            ("stop", "spring"),
            ("start", "june"),
        ]
