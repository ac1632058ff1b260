"""What people think of answers: their words as they are given, and joined to the answers of an experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, delete, func, insert, inspect, select

from ingest.records import now
from service.records_schema import conversations, exposures, messages, old_feedback, outcomes

Rating = Literal["up", "down"]
# What changes where a layer's name comes to mean something else.
HASHES = {"prompt": "prompt_sha256", "retrieval": "collection_fingerprint", "adapter": "adapter_sha256"}
Reason = Literal["answer_wrong", "evidence_wrong", "not_our_style", "not_helpful", "unsafe"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A person's word on an answer. `escalated`: they went on to a person; `follow_up_needed`: it is still open."""

    rating: Rating
    reasons: tuple[Reason, ...] = ()
    comment: str | None = None
    corrected_answer: str | None = None
    escalated: bool = False
    follow_up_needed: bool = False


@dataclass(frozen=True, slots=True)
class Feedback(Outcome):
    """An outcome as it is kept. A later word on the same answer has a higher `number`."""

    number: int = field(kw_only=True)
    created: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class ExposedOutcome:
    """An answer made under an arm, and the latest word on it; `rating` is None where nobody said one.

    `latency_ms` is the time that the answer took, `passages` what it was shown, and `made_by` what stood in the
    experiment's layer, as its manifest tells; None where the layer had no turn.
    """

    experiment: str
    unit: str
    arm: str
    message_id: str
    answered: str
    latency_ms: float
    rating: Rating | None
    reasons: tuple[Reason, ...]
    corrected: bool
    escalated: bool
    follow_up_needed: bool
    passages: tuple[Mapping[str, Any], ...] = ()
    made_by: str | None = None


def keep(connection: Connection, message_id: str, outcome: Outcome) -> None:
    """Adds a word; the same one again, as from a client that was not sure, is kept once."""
    earlier = words_on(connection, [message_id]).get(message_id)
    if not earlier or earlier[-1] != as_kept(outcome, earlier[-1].number, earlier[-1].created):
        connection.execute(insert(outcomes), {"message_id": message_id, "created": now(), **asdict(outcome)})


def words_on(connection: Connection, message_ids: Sequence[str] | Select[tuple[str]]) -> dict[str, list[Feedback]]:
    """Message id -> what was said of it, the latest last; nothing for messages without a word."""
    statement = select(outcomes).where(outcomes.c.message_id.in_(message_ids)).order_by(outcomes.c.number)
    words: dict[str, list[Feedback]] = {}
    for row in connection.execute(statement):
        words.setdefault(row.message_id, []).append(feedback_of(row))
    return words


def exposed_outcomes(
    connection: Connection, experiment: str, bucket_version: int, min_bucket_version: int
) -> list[ExposedOutcome]:
    """Every answer that the experiment had a part in under this bucket version, the oldest first."""
    answers = made_under(experiment, bucket_version, min_bucket_version)
    words = words_on(connection, answers.with_only_columns(messages.c.id).order_by(None))
    return [joined(row, words.get(row.id, [])) for row in connection.execute(answers)]


def made_under(experiment: str, bucket_version: int, min_bucket_version: int) -> Select[Any]:
    """An exposure names only a unit's first answer under an arm; the manifests name all of them.

    A manifest of an earlier program names no bucket version: it was 0.
    """
    arm = messages.c.manifest["experiments"][experiment].as_string()
    version = func.coalesce(messages.c.manifest["bucket_versions"][experiment].as_integer(), 0)
    of_it = exposures.c.experiment == experiment
    blocked = select(exposures.c.unit).where(of_it, exposures.c.bucket_version < min_bucket_version)
    return (
        select(exposures.c.experiment, exposures.c.unit, exposures.c.arm, exposures.c.factor, messages)
        .join(conversations, conversations.c.user == exposures.c.unit)
        .join(messages, (messages.c.conversation_id == conversations.c.id) & (arm == exposures.c.arm))
        .where(of_it, exposures.c.bucket_version == bucket_version, version == bucket_version)
        .where(exposures.c.unit.not_in(blocked))
        .order_by(messages.c.number)
    )


def ratings_before(connection: Connection, experiment: str) -> dict[str, float]:
    """Unit -> the mean rating of the answers that it had before its first exposure (up 1, down -1, no word 0).

    The first in any bucket version and to any arm: what an earlier arm did is no past of this one.
    """
    first = (
        select(exposures.c.unit, func.min(messages.c.number).label("number"))
        .join(messages)
        .where(exposures.c.experiment == experiment)
        .group_by(exposures.c.unit)
        .subquery()
    )
    statement = (
        select(first.c.unit, messages.c.id)
        .select_from(first)
        .join(conversations, conversations.c.user == first.c.unit)
        .join(messages, (messages.c.conversation_id == conversations.c.id) & (messages.c.number < first.c.number))
    )
    rows = connection.execute(statement).all()
    words = words_on(connection, statement.with_only_columns(messages.c.id))
    ratings: dict[str, list[float]] = {}
    for row in rows:
        said = words.get(row.id)
        ratings.setdefault(row.unit, []).append(rating_value(said[-1].rating if said else None))
    return {unit: sum(values) / len(values) for unit, values in ratings.items()}


def rating_value(rating: Rating | None) -> float:
    return 0.0 if rating is None else 1.0 if rating == "up" else -1.0


def joined(row: Row[Any], words: Sequence[Feedback]) -> ExposedOutcome:
    word = words[-1] if words else None
    return ExposedOutcome(
        experiment=row.experiment,
        unit=row.unit,
        arm=row.arm,
        message_id=row.id,
        answered=row.created,
        latency_ms=round(sum(row.manifest["timings"].values()), 1),
        rating=word.rating if word else None,
        reasons=word.reasons if word else (),
        corrected=bool(word and word.corrected_answer),
        escalated=bool(word and word.escalated),
        follow_up_needed=bool(word and word.follow_up_needed),
        passages=tuple(row.manifest["passages"]),
        made_by=maker(row.manifest, row.factor),
    )


def maker(manifest: Mapping[str, Any], factor: str) -> str | None:
    """`style@2 1f2e3d4c`: the name and its hash; `off`; None where search found nothing, so that no model ran."""
    acted, kept = manifest["acted"][factor], manifest.get(HASHES[factor])
    if acted is None:
        return "off" if manifest["path"] == "model" else None
    # A collection's has two parts: how texts are read, and how they are cut.
    return " ".join([acted, *(part[:8] for part in (kept or "").split("-") if part)])


def take_over(connection: Connection) -> None:
    """Moves the words that an earlier program kept in its own table, which had one for each answer.

    The table stays, empty: that program still works beside this one, and after a way back to it.
    """
    if not inspect(connection).has_table(old_feedback.name):
        return
    for row in connection.execute(select(old_feedback).order_by(old_feedback.c.created)).all():
        moved = asdict(Outcome(row.rating, comment=row.reason))
        connection.execute(insert(outcomes), {"message_id": row.message_id, "created": row.created, **moved})
    connection.execute(delete(old_feedback))


def feedback_of(row: Row[Any]) -> Feedback:
    outcome = Outcome(
        row.rating,
        tuple(row.reasons),
        row.comment,
        row.corrected_answer,
        row.escalated,
        row.follow_up_needed,
    )
    return as_kept(outcome, row.number, row.created)


def as_kept(outcome: Outcome, number: int, created: str) -> Feedback:
    return Feedback(**asdict(outcome), number=number, created=created)
