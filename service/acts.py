"""Every start and stop of an experiment, as the records keep it: who, when, and in which order."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from operator import itemgetter
from typing import Any, Literal

from sqlalchemy import Connection, delete, func, insert, select

from ingest.records import now
from service.records_schema import experiment_acts

Act = Literal["start", "stop"]
FIELDS = ("at", "by", "act", "experiment")


def add_act(connection: Connection, act: Act, experiment: str, by: str) -> int:
    """Its number: later acts have higher ones."""
    values = {"at": now(), "by": by, "act": act, "experiment": experiment}
    number: int = connection.execute(insert(experiment_acts), values).inserted_primary_key[0]  # type: ignore[index]
    return number


def kept_acts(connection: Connection) -> list[dict[str, Any]]:
    """The oldest first: at (UTC, ISO 8601), by, act, experiment."""
    statement = select(*(experiment_acts.c[name] for name in FIELDS)).order_by(experiment_acts.c.number)
    return [dict(row) for row in connection.execute(statement).mappings()]


def last_acts(connection: Connection, before: int | None = None) -> dict[str, Act]:
    """Experiment -> what was done to it last, of all acts or of those before a number; as requests ask for."""
    number = experiment_acts.c.number
    latest = select(func.max(number)).group_by(experiment_acts.c.experiment)
    if before is not None:
        latest = latest.where(number < before)
    statement = select(experiment_acts.c.experiment, experiment_acts.c.act).where(number.in_(latest))
    return {row.experiment: row.act for row in connection.execute(statement)}


def merge_acts(connection: Connection, earlier: Sequence[Mapping[str, Any]]) -> None:
    """Adds acts that were kept elsewhere, the oldest first, in the order of their times among those that are here.

    So the last act decides, wherever it was done. What is here already is not added again.
    """
    # Taken out first, and put back: from there on no other process writes before this is done.
    taken = connection.execute(delete(experiment_acts).returning(*experiment_acts.c)).mappings()
    kept = [{name: row[name] for name in FIELDS} for row in sorted(taken, key=itemgetter("number"))]
    merged = list(merge(kept, without(earlier, kept), key=itemgetter("at")))
    if merged:
        connection.execute(insert(experiment_acts), merged)


def without(acts: Iterable[Mapping[str, Any]], known: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those that are more than in `known`: one person can do the same twice within a second."""
    left = Counter(itemgetter(*FIELDS)(act) for act in known)
    for act in acts:
        fields = itemgetter(*FIELDS)(act)
        if left[fields]:
            left[fields] -= 1
        else:
            yield dict(zip(FIELDS, fields, strict=True))
