"""What is kept of the answers: conversations, manifests, exposures and feedback; and of experiments, the acts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from adapters.prompt import Turn
from ingest.database import Database
from ingest.records import now
from service.experiments.running import ExperimentLog
from service.exposures import StoredExposure, add_bucket_versions, past_exposures, row_of, stored_exposures
from service.outcomes import (
    ExposedOutcome,
    Feedback,
    Outcome,
    exposed_outcomes,
    keep,
    ratings_before,
    take_over,
    words_on,
)
from service.plan import Exposure, Manifest
from service.records_schema import conversations, exposures, messages, metadata, outcomes


class UnknownConversation(LookupError):
    """There is no such conversation for this user; whether it is another's is not told."""


class UnknownMessage(UnknownConversation):
    """There is no such answer of this user; whether it is another's is not told."""


@dataclass(frozen=True, slots=True)
class Message:
    """A question with its answer, the manifest of what made it, and the latest feedback on it.

    `created` is UTC (ISO 8601), as in all records.
    """

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
class KeptTurn:
    """An answer, and the turns of its conversation before it, the oldest first."""

    message: Message
    earlier: tuple[Turn, ...]


class Records:
    """Safe to use from several threads; every method that writes is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.experiments = ExperimentLog(database)
        with database.write() as connection:
            metadata.create_all(connection)
            take_over(connection)
            add_bucket_versions(connection)

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
                values = {**row_of(exposure), "message_id": message_id, "created": now()}
                connection.execute(self._insert_new(exposures), values)

    def conversation(self, conversation_id: str, user: str | None) -> Conversation:
        """The whole conversation. Raises UnknownConversation."""
        of_it = messages.c.conversation_id == conversation_id
        with self._database.read() as connection:
            found = _owned(connection, conversation_id, user)
            rows = connection.execute(select(messages).where(of_it).order_by(messages.c.number)).all()
            words = words_on(connection, select(messages.c.id).where(of_it))
        kept = tuple(_message(row, words.get(row.id, [])) for row in rows)
        return Conversation(found.id, found.user, found.started, kept)

    def turn(self, message_id: str) -> KeptTurn:
        """Anyone's answer: for who runs the service, never for its users. Raises UnknownMessage."""
        with self._database.read() as connection:
            found = connection.execute(select(messages).where(messages.c.id == message_id)).one_or_none()
            if found is None:
                raise UnknownMessage(
                    f"No answer {message_id!r} is kept: it was never recorded, or it was removed since. "
                    "Expected the message_id of a recorded answer."
                )
            before = (messages.c.conversation_id == found.conversation_id) & (messages.c.number < found.number)
            rows = connection.execute(select(messages).where(before).order_by(messages.c.number)).all()
            words = words_on(connection, [message_id])
        earlier = tuple(Turn(row.question, row.answer) for row in rows)
        return KeptTurn(_message(found, words.get(message_id, [])), earlier)

    def give_feedback(self, message_id: str, user: str | None, outcome: Outcome) -> None:
        """Adds a word on an answer; the latest counts, the earlier ones are kept. Raises UnknownMessage."""
        with self._database.write() as connection:
            _check_answered(connection, message_id, user)
            keep(connection, message_id, outcome)

    def feedback(self, message_id: str, user: str | None) -> list[Feedback]:
        """All that the user said of the answer, the latest last. Raises UnknownMessage."""
        with self._database.read() as connection:
            _check_answered(connection, message_id, user)
            return words_on(connection, [message_id]).get(message_id, [])

    def outcomes(
        self, experiment: str, bucket_version: int = 0, min_bucket_version: int = 0
    ) -> list[ExposedOutcome]:
        """Every answer made under an arm in this bucket version, with the latest word on it, the oldest first.

        Without the units that were exposed under a version below `min_bucket_version`.
        """
        with self._database.read() as connection:
            return exposed_outcomes(connection, experiment, bucket_version, min_bucket_version)

    def ratings_before(self, experiment: str) -> dict[str, float]:
        """Unit -> the mean rating, -1 to 1, of the answers that it had before the experiment."""
        with self._database.read() as connection:
            return ratings_before(connection, experiment)

    def judged(self, reviewed: Collection[str] = ()) -> list[Message]:
        """Every answer that somebody said a word on, and all of the reviewed conversations, the oldest first.

        Raises UnknownConversation.
        """
        said = select(outcomes.c.message_id)
        wanted = messages.c.id.in_(said) | messages.c.conversation_id.in_(reviewed)
        with self._database.read() as connection:
            for conversation_id in reviewed:
                _check_kept(connection, conversation_id)
            rows = connection.execute(select(messages).where(wanted).order_by(messages.c.number)).all()
            words = words_on(connection, said)
        return [_message(row, words.get(row.id, [])) for row in rows]

    def exposures(self, experiment: str) -> list[StoredExposure]:
        """Every unit, bucket version and arm of the experiment, the oldest first."""
        with self._database.read() as connection:
            return stored_exposures(connection, experiment)

    def past(self, unit: str, experiments: Collection[str]) -> list[Exposure]:
        """All that the unit was exposed to in these experiments, the oldest first."""
        with self._database.read() as connection:
            return past_exposures(connection, unit, experiments)

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


def _check_kept(connection: Connection, conversation_id: str) -> None:
    statement = select(conversations.c.id).where(conversations.c.id == conversation_id)
    if connection.execute(statement).one_or_none() is None:
        raise UnknownConversation(f"No conversation {conversation_id!r}; expected the id of a kept one.")


def _check_answered(connection: Connection, message_id: str, user: str | None) -> None:
    statement = select(conversations.c.user).join(messages).where(messages.c.id == message_id)
    found = connection.execute(statement).one_or_none()
    if found is None or found.user != user:
        raise UnknownMessage(f"No answer {message_id!r} of this user; expected the message_id of an answer.")


def _message(row: Row[Any], words: Sequence[Feedback]) -> Message:
    latest = words[-1] if words else None
    return Message(row.id, row.question, row.answer, row.manifest, row.created, latest)
