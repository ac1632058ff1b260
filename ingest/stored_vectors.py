"""The vectors that the library keeps: to fill the index from, and to search exactly without one."""

import heapq
from collections.abc import Collection as Items
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Row, Select, exists, select

from ingest.database import Database
from ingest.documents import Chunk, Hit, Vectors
from ingest.library_schema import chunks, documents, labels

_BATCH = 2048
_STORED = np.dtype("<f4")


def to_bytes(vectors: Vectors) -> list[bytes]:
    """Each row as the library stores it."""
    return [row.tobytes() for row in np.ascontiguousarray(vectors, dtype=_STORED)]


def allowed(readers: Items[str]) -> ColumnElement[bool]:
    """The condition that a document carries one of the reader's labels."""
    return exists().where(labels.c.document_id == documents.c.id, labels.c.label.in_(readers))


def to_chunk(row: Row[Any]) -> Chunk:
    return Chunk(row.id, row.position, row.title, lines(row.headings), row.text, lines(row.sentences))


def lines(stored: str) -> tuple[str, ...]:
    return tuple(stored.split("\n")) if stored else ()


class StoredVectors:
    """Chunk ids with their vectors, a collection at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ids(self, collection_id: str) -> set[str]:
        statement = select(chunks.c.id).join(documents).where(documents.c.collection_id == collection_id)
        with self._database.read() as connection:
            return set(connection.execute(statement).scalars())

    def of_documents(self, document_ids: Items[str]) -> tuple[list[str], Vectors]:
        statement = select(chunks.c.id, chunks.c.vector).where(chunks.c.document_id.in_(document_ids))
        with self._database.read() as connection:
            return _unpacked(connection.execute(statement).all())

    def by_text(self, document: str) -> dict[str, Vectors]:
        """Embedded text -> vector of one document: text that stays is not embedded again."""
        with self._database.read() as connection:
            rows = connection.execute(select(chunks).where(chunks.c.document_id == document)).all()
        texts = (text for row in rows for text in to_chunk(row).embedded_texts)
        return dict(zip(texts, (vector for row in rows for vector in _all_of(row)), strict=True))

    def of_chunks(self, chunk_ids: Items[str]) -> dict[str, Vectors]:
        """Chunk id -> its vectors, a row each: its own, then its sentences'."""
        columns = select(chunks.c.id, chunks.c.vector, chunks.c.sentence_vectors)
        with self._database.read() as connection:
            rows = connection.execute(columns.where(chunks.c.id.in_(chunk_ids))).all()
        return {row.id: _all_of(row) for row in rows}

    def batches(self, collection_id: str) -> Iterator[tuple[list[str], Vectors]]:
        """All chunks of the collection, a few thousand at a time."""
        return self._read(_of_collection(collection_id))

    def search(
        self, collection_id: str, vector: Vectors, limit: int, readers: Items[str] | None = None
    ) -> list[Hit]:
        """The nearest chunks by cosine; with `readers`, of documents that carry one of these labels."""
        statement = _of_collection(collection_id)
        if readers is not None:
            statement = statement.where(allowed(readers))
        best: list[Hit] = []
        for ids, vectors in self._read(statement):
            scores = (vectors @ vector).tolist()
            found = map(Hit, ids, scores)
            best = heapq.nlargest(limit, [*best, *found], key=lambda hit: hit.score)
        return best

    def _read(self, statement: Select[Any]) -> Iterator[tuple[list[str], Vectors]]:
        with self._database.read() as connection:
            rows = connection.execution_options(yield_per=_BATCH).execute(statement)
            for batch in rows.partitions():
                yield _unpacked(batch)


def _of_collection(collection_id: str) -> Select[Any]:
    return select(chunks.c.id, chunks.c.vector).join(documents).where(documents.c.collection_id == collection_id)


def _unpacked(rows: Sequence[Any]) -> tuple[list[str], Vectors]:
    joined = np.frombuffer(b"".join(row.vector for row in rows), dtype=_STORED)
    return [row.id for row in rows], joined.reshape(len(rows), -1) if rows else joined.reshape(0, 0)


def _all_of(row: Any) -> Vectors:
    stored = np.frombuffer(row.vector + row.sentence_vectors, dtype=_STORED)
    return stored.reshape(-1, len(row.vector) // _STORED.itemsize)
