"""Documents as rows of the library's tables, and such rows as what readers get."""

import json
from collections.abc import Collection as Items
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from ingest.documents import Chunk, Document, Passage, Vectors
from ingest.library_schema import chunks, collections, documents, failures, labels, outbox
from ingest.records import DocumentSummary, now
from ingest.stored_vectors import lines, to_bytes


def document_values(collection_id: str, identity: str, document: Document) -> dict[str, Any]:
    sections = [[section.headings, section.text] for section in document.sections]
    return {
        "id": identity,
        "collection_id": collection_id,
        "source": document.source,
        "title": document.title,
        "content_hash": document.content_hash,
        "sections": json.dumps(sections, ensure_ascii=False),
        "updated": now(),
    }


def label_values(identity: str, named: Items[str]) -> list[dict[str, str]]:
    """Raises ValueError without any label."""
    if not named:
        raise ValueError("A document needs at least one label, or nobody could read it.")
    return [{"document_id": identity, "label": label} for label in sorted(named)]


def chunk_values(identity: str, pieces: Sequence[Chunk], vectors: Vectors) -> list[dict[str, Any]]:
    """`vectors` has a row for each of the pieces' embedded texts: the passage, then its sentences."""
    rows = iter(to_bytes(vectors))
    return [
        {
            "id": piece.id,
            "document_id": identity,
            "position": piece.position,
            "title": piece.title,
            "headings": "\n".join(piece.headings),
            "text": piece.text,
            "vector": next(rows),
            "sentences": "\n".join(piece.sentences),
            "sentence_vectors": b"".join(next(rows) for _ in piece.sentences),
        }
        for piece in pieces
    ]


def summaries_of(connection: Connection, statement: Select[Any]) -> list[DocumentSummary]:
    """The documents that a query chooses, by source."""
    chosen = statement.order_by(documents.c.source).subquery()
    counted: dict[str, int] = dict(
        connection.execute(
            select(chunks.c.document_id, func.count())
            .join(chosen, chosen.c.id == chunks.c.document_id)
            .group_by(chunks.c.document_id)
        ).all()
    )
    named: dict[str, list[str]] = {}
    for row in connection.execute(select(labels).join(chosen, chosen.c.id == labels.c.document_id)):
        named.setdefault(row.document_id, []).append(row.label)
    return [
        DocumentSummary(
            row.id,
            row.source,
            row.title,
            tuple(sorted(named[row.id])),
            counted[row.id],
            row.content_hash,
            row.updated,
        )
        for row in connection.execute(statement.order_by(documents.c.source))
    ]


def passage_of(row: Row[Any]) -> Passage:
    return Passage(row.id, row.document_id, row.source, row.title, lines(row.headings), row.position, row.text)


def stats_query() -> Select[Any]:
    """A row for each collection, with the columns of CollectionStats."""
    of_collection = documents.c.collection_id == collections.c.id
    return select(
        collections.c.id,
        collections.c.name,
        collections.c.serving,
        select(func.count()).select_from(documents).where(of_collection).scalar_subquery(),
        select(func.count()).select_from(chunks.join(documents)).where(of_collection).scalar_subquery(),
        select(func.count()).where(outbox.c.collection_id == collections.c.id).scalar_subquery(),
        select(func.count()).where(failures.c.collection == collections.c.name).scalar_subquery(),
    ).order_by(collections.c.id)
