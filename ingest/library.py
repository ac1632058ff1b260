"""The library: the only truth about documents, their chunks, vectors and labels."""

import json
from collections.abc import Collection as Items
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, LargeBinary, Select, delete, insert, select, true, update

from ingest.database import Database, LibraryError, library_url
from ingest.documents import Chunk, Document, Hit, Passage, Section, Vectors, document_id
from ingest.jobs import JobLog
from ingest.keyword import search_words
from ingest.library_rows import chunk_values, document_values, label_values, passage_of, stats_query, summaries_of
from ingest.library_schema import chunks, collections, documents, failures, labels, outbox
from ingest.outbox import Outbox, record_change
from ingest.records import Collection, CollectionStats, DocumentSummary, Failure, now
from ingest.stored_vectors import StoredVectors, allowed, to_chunk


def open_library(url: str | None, folder: Path) -> "Library":
    """The library at the database URL, or in the folder's file library.db; made if it is not there."""
    return Library(Database(library_url(url, folder)))


class Library:
    """Safe to use from several threads; every method that writes is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.jobs = JobLog(database)
        self.outbox = Outbox(database)
        self.vectors = StoredVectors(database)

    def close(self) -> None:
        self._database.close()

    def compact(self) -> None:
        """Removes the traces of deleted text from the database's files."""
        self._database.compact()

    # Collections

    def ensure_collection(self, name: str, fingerprint: str) -> Collection:
        """The collection of that fingerprint; the first of a name serves at once."""
        wanted = Collection(f"{name}-{fingerprint}", name, fingerprint, self.serving_collection(name) is None)
        with self._database.write() as connection:
            found = connection.execute(select(collections).where(collections.c.id == wanted.id)).one_or_none()
            if found is None:
                connection.execute(insert(collections), asdict(wanted))
        return Collection(*found) if found else wanted

    def serving_collection(self, name: str) -> Collection | None:
        return next((collection for collection in self.collections(name) if collection.serving), None)

    def collections(self, name: str | None = None) -> list[Collection]:
        condition = true() if name is None else collections.c.name == name
        with self._database.read() as connection:
            rows = connection.execute(select(collections).where(condition).order_by(collections.c.id)).all()
        return [Collection(*row) for row in rows]

    def switch_collection(self, collection: Collection) -> None:
        """From now on this one serves under its name. Raises LibraryError if it was dropped meanwhile."""
        others = update(collections).where(collections.c.name == collection.name).values(serving=False)
        chosen = update(collections).where(collections.c.id == collection.id).values(serving=True)
        with self._database.write() as connection:
            _check_there(connection, collection.id)
            connection.execute(others)
            connection.execute(chosen)

    def drop_collection(self, collection_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(outbox).where(outbox.c.collection_id == collection_id))
            owned = select(documents.c.id).where(documents.c.collection_id == collection_id)
            connection.execute(delete(chunks).where(chunks.c.document_id.in_(owned)))
            connection.execute(delete(collections).where(collections.c.id == collection_id))

    # Documents

    def put_document(
        self, collection_id: str, document: Document, pieces: Sequence[Chunk], vectors: Vectors
    ) -> None:
        """Replaces the document as a whole and forgets its failure.

        `vectors` has a row for each of the pieces' embedded texts, in their order. Raises LibraryError if the
        collection was dropped meanwhile.
        """
        needed = sum(len(piece.embedded_texts) for piece in pieces)
        if needed != len(vectors):
            raise ValueError(f"Each embedded text needs one vector, got {needed} texts and {len(vectors)} vectors.")
        identity = document_id(collection_id, document.source)
        with self._database.write() as connection:
            _check_there(connection, collection_id)
            removed = _delete_document(connection, identity)
            connection.execute(insert(documents), document_values(collection_id, identity, document))
            connection.execute(insert(labels), label_values(identity, document.labels))
            connection.execute(insert(chunks), chunk_values(identity, pieces, vectors))
            record_change(connection, collection_id, identity, removed)
            named = select(collections.c.name).where(collections.c.id == collection_id)
            connection.execute(
                delete(failures).where(failures.c.source == document.source, failures.c.collection.in_(named))
            )

    def remove_document(self, collection_id: str, source: str) -> bool:
        """Whether there was such a document."""
        identity = document_id(collection_id, source)
        with self._database.write() as connection:
            removed = _delete_document(connection, identity)
            if removed:
                record_change(connection, collection_id, identity, removed)
        return bool(removed)

    def set_labels(self, collection_id: str, source: str, new: Items[str]) -> None:
        identity = document_id(collection_id, source)
        with self._database.write() as connection:
            connection.execute(delete(labels).where(labels.c.document_id == identity))
            connection.execute(insert(labels), label_values(identity, new))

    def document_hashes(self, collection_id: str) -> dict[str, str]:
        """Source -> content hash."""
        columns = select(documents.c.source, documents.c.content_hash)
        with self._database.read() as connection:
            rows = connection.execute(columns.where(documents.c.collection_id == collection_id)).all()
        return {row.source: row.content_hash for row in rows}

    def document_labels(self, collection_id: str) -> dict[str, frozenset[str]]:
        """Source -> labels."""
        return {document.source: frozenset(document.labels) for document in self.documents(collection_id)}

    def documents(self, collection_id: str) -> list[DocumentSummary]:
        """All documents by source."""
        with self._database.read() as connection:
            return summaries_of(connection, select(documents).where(documents.c.collection_id == collection_id))

    def document(self, collection_id: str, source: str) -> tuple[DocumentSummary, list[Chunk]] | None:
        identity = document_id(collection_id, source)
        with self._database.read() as connection:
            found = summaries_of(connection, select(documents).where(documents.c.id == identity))
            ordered = select(chunks).where(chunks.c.document_id == identity).order_by(chunks.c.position)
            rows = connection.execute(ordered).all()
        return (found[0], [to_chunk(row) for row in rows]) if found else None

    def parsed_document(self, collection_id: str, source: str) -> Document | None:
        """The document as it was parsed, for another splitter or embedder."""
        identity = document_id(collection_id, source)
        with self._database.read() as connection:
            row = connection.execute(select(documents).where(documents.c.id == identity)).one_or_none()
            named = (
                connection.execute(select(labels.c.label).where(labels.c.document_id == identity)).scalars().all()
            )
        if row is None:
            return None
        sections = tuple(Section(tuple(headings), text) for headings, text in json.loads(row.sections))
        return Document(row.source, row.title, sections, row.content_hash, frozenset(named))

    def passages(self, collection_id: str, chunk_ids: Items[str], readers: Items[str]) -> dict[str, Passage]:
        """Those of the chunks that are alive and that someone with one of these labels may read."""
        # Without the vectors, which are most of a row.
        light = (column for column in chunks.c if not isinstance(column.type, LargeBinary))
        columns: Select[Any] = select(*light, documents.c.source).join(documents)
        statement = columns.where(
            documents.c.collection_id == collection_id, chunks.c.id.in_(chunk_ids), allowed(readers)
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return {row.id: passage_of(row) for row in rows}

    # Search

    def keyword_search(self, collection_id: str, query: str, limit: int, readers: Items[str]) -> list[Hit]:
        """The best chunks by their words, of documents with one of these labels."""
        with self._database.read() as connection:
            return search_words(connection, collection_id, query, limit, readers)

    def exact_search(
        self, collection_id: str, vector: Vectors, limit: int, readers: Items[str] | None = None
    ) -> list[Hit]:
        """The nearest chunks by cosine, without an index."""
        return self.vectors.search(collection_id, vector, limit, readers)

    # Failures

    def record_failure(self, collection: str, source: str, reason: str) -> None:
        """Keeps why a file of the named collection is not in, or not in its newest form."""
        values = {"collection": collection, "source": source, "reason": reason, "happened": now()}
        with self._database.write() as connection:
            connection.execute(delete(failures).where(_one_failure(collection, [source])))
            connection.execute(insert(failures), values)

    def clear_failures(self, collection: str, sources: Items[str]) -> None:
        with self._database.write() as connection:
            connection.execute(delete(failures).where(_one_failure(collection, sources)))

    def failures(self, collection: str) -> list[Failure]:
        columns = select(failures.c.source, failures.c.reason, failures.c.happened)
        with self._database.read() as connection:
            rows = connection.execute(columns.where(failures.c.collection == collection).order_by("source")).all()
        return [Failure(*row) for row in rows]

    def stats(self) -> list[CollectionStats]:
        with self._database.read() as connection:
            return [CollectionStats(*row) for row in connection.execute(stats_query()).all()]


def _one_failure(collection: str, sources: Items[str]) -> Any:
    return (failures.c.collection == collection) & failures.c.source.in_(sources)


def _check_there(connection: Connection, collection_id: str) -> None:
    """A sync of another service drops what neither serves nor is its own target."""
    if connection.execute(select(collections.c.id).where(collections.c.id == collection_id)).first() is None:
        raise LibraryError(
            f"The collection {collection_id} was dropped meanwhile, by a sync of a service with other settings. "
            "Give all services that share the library the same embedder and splitter, then sync again."
        )


def _delete_document(connection: Connection, identity: str) -> list[str]:
    """Deletes the document with all that hangs on it; the ids of its chunks."""
    removed = connection.execute(select(chunks.c.id).where(chunks.c.document_id == identity)).scalars().all()
    connection.execute(delete(chunks).where(chunks.c.document_id == identity))
    connection.execute(delete(documents).where(documents.c.id == identity))
    return list(removed)
