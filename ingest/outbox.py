"""Changes to documents that the vector index has yet to follow."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, true

from ingest.database import Database
from ingest.library_schema import outbox


@dataclass(frozen=True, slots=True)
class Change:
    """A document was put or removed. `removed` are chunk ids that were its own before."""

    number: int
    collection_id: str
    document_id: str
    removed: tuple[str, ...]


def record_change(connection: Connection, collection_id: str, document_id: str, removed: Sequence[str]) -> None:
    """Writes the change in the transaction that makes it."""
    values = {
        "collection_id": collection_id,
        "document_id": document_id,
        "removed": json.dumps(list(removed)),
    }
    connection.execute(insert(outbox), values)


class Outbox:
    """The changes in the order of their commits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collections(self) -> list[str]:
        """The ids of those with changes, by id."""
        chosen = select(outbox.c.collection_id).distinct().order_by(outbox.c.collection_id)
        with self._database.read() as connection:
            return list(connection.execute(chosen).scalars())

    def pending(self, limit: int, collection_id: str | None = None) -> list[Change]:
        """The first ones, of all collections or of one."""
        condition = true() if collection_id is None else outbox.c.collection_id == collection_id
        with self._database.read() as connection:
            rows = connection.execute(select(outbox).where(condition).order_by(outbox.c.number).limit(limit)).all()
        return [
            Change(row.number, row.collection_id, row.document_id, tuple(json.loads(row.removed))) for row in rows
        ]

    def confirm(self, changes: Sequence[Change]) -> None:
        """The index follows these changes: they can be forgotten."""
        with self._database.write() as connection:
            connection.execute(delete(outbox).where(outbox.c.number.in_([change.number for change in changes])))
