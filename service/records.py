"""What is kept of the answers: conversations, manifests, exposures and feedback."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, Table, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from adapters.prompt import Turn
from ingest.database import Database
from ingest.records import now
from service.plan import Exposure, Manifest
from service.records_schema import conversations, exposures, feedback, messages, metadata

Rating = Literal["up", "down"]


class UnknownConversation(LookupError):
    """There is no such conversation for this user; whether it is another's is not told."""


class UnknownMessage(UnknownConversation):
    """There is no such answer."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a person thinks of an answer. `created` is UTC (ISO 8601), as in all records."""

    rating: Rating
    reason: str | None
    created: str


@dataclass(frozen=True, slots=True)
class Message:
    """A question with its answer, the manifest of what made it, and the feedback on it."""

    id: str
    question: str
    answer: str
    manifest: dict[str, Any]
    created: str
    feedback: Feedback | None


@dataclass(frozen=True, slots=True)
class Conversation:
    id: str
    user: str | None
    started: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class StoredExposure:
    """A unit's first answer under an arm."""

    exposure: Exposure
    message_id: str
    created: str


class Records:
    """Safe to use from several threads; every method that writes is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.write() as connection:
            metadata.create_all(connection)

    def close(self) -> None:
        self._database.close()

    def history(self, conversation_id: str, user: str | None, limit: int) -> tuple[Turn, ...]:
        """The last `limit` turns, oldest first. Raises UnknownConversation."""
        latest = select(messages.c.question, messages.c.answer).where(messages.c.conversation_id == conversation_id)
        with self._database.read() as connection:
            _owned(connection, conversation_id, user)
            rows = connection.execute(latest.order_by(messages.c.number.desc()).limit(limit)).all()
        return tuple(Turn(row.question, row.answer) for row in reversed(rows))

    def store_answer(
        self,
        message_id: str,
        conversation_id: str,
        user: str | None,
        turn: Turn,
        manifest: Manifest,
        exposed: Sequence[Exposure] = (),
    ) -> None:
        """The answer with all that belongs to it: a new conversation starts with its first answer.

        An exposure that is known already stays as it was first.
        """
        message = {
            "id": message_id,
            "conversation_id": conversation_id,
            "question": turn.question,
            "answer": turn.answer,
            "manifest": manifest.as_dict(),
            "created": now(),
        }
        conversation = {"id": conversation_id, "user": user, "started": message["created"]}
        with self._database.write() as connection:
            connection.execute(self._insert_new(conversations), conversation)
            connection.execute(insert(messages), message)
            for exposure in exposed:
                values = {**_exposure_values(exposure), "message_id": message_id, "created": now()}
                connection.execute(self._insert_new(exposures), values)

    def conversation(self, conversation_id: str, user: str | None) -> Conversation:
        """The whole conversation. Raises UnknownConversation."""
        statement = (
            select(messages, feedback.c.rating, feedback.c.reason, feedback.c.created.label("given"))
            .outerjoin(feedback, feedback.c.message_id == messages.c.id)
            .where(messages.c.conversation_id == conversation_id)
        )
        with self._database.read() as connection:
            found = _owned(connection, conversation_id, user)
            rows = connection.execute(statement.order_by(messages.c.number)).all()
        return Conversation(found.id, found.user, found.started, tuple(_message(row) for row in rows))

    def feedback(self, message_id: str, rating: Rating, reason: str | None = None) -> None:
        """Keeps the latest word on an answer. Raises UnknownMessage."""
        with self._database.write() as connection:
            if not connection.execute(select(messages.c.id).where(messages.c.id == message_id)).first():
                raise UnknownMessage(f"No answer {message_id!r}; expected the message_id of an answer.")
            connection.execute(delete(feedback).where(feedback.c.message_id == message_id))
            values = {"message_id": message_id, "rating": rating, "reason": reason, "created": now()}
            connection.execute(insert(feedback), values)

    def exposures(self, experiment: str) -> list[StoredExposure]:
        """Every unit and arm of the experiment, by time of the first exposure."""
        statement = select(exposures).where(exposures.c.experiment == experiment)
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(exposures.c.created, exposures.c.unit)).all()
        return [_exposure(row) for row in rows]

    def _insert_new(self, table: Table) -> Any:
        """An insert that leaves a row alone which is there."""
        dialect = postgresql if self._database.dialect == "postgresql" else sqlite
        return dialect.insert(table).on_conflict_do_nothing()


def _owned(connection: Connection, conversation_id: str, user: str | None) -> Row[Any]:
    statement = select(conversations).where(conversations.c.id == conversation_id)
    found = connection.execute(statement).one_or_none()
    if found is None or found.user != user:
        raise UnknownConversation(f"No conversation {conversation_id!r} of this user; start one without an id.")
    return found


def _message(row: Row[Any]) -> Message:
    given = Feedback(row.rating, row.reason, row.given) if row.rating else None
    return Message(row.id, row.question, row.answer, row.manifest, row.created, given)


def _exposure_values(exposure: Exposure) -> dict[str, str]:
    names = ("experiment", "unit", "arm", "factor", "value")
    return {name: getattr(exposure, name) for name in names}


def _exposure(row: Row[Any]) -> StoredExposure:
    exposure = Exposure(row.experiment, row.arm, row.unit, row.factor, row.value)
    return StoredExposure(exposure, row.message_id, row.created)
