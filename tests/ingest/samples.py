"""Documents, chunks and vectors made up for tests."""

import numpy as np

from ingest.documents import PUBLIC, Chunk, Document, Section, Vectors, chunk_id, content_hash, document_id
from ingest.library import Library
from ingest.outline import readable_stem


def make_document(source: str, *texts: str, labels: frozenset[str] = frozenset({PUBLIC})) -> Document:
    """A document with a section for each text."""
    sections = tuple(Section((f"Part {number}",), text) for number, text in enumerate(texts, 1))
    return Document(source, readable_stem(source), sections, content_hash("\n".join(texts).encode()), labels)


def make_chunks(collection_id: str, document: Document, *sentences: str) -> list[Chunk]:
    """One chunk for each section, each with the sentences."""
    identity = document_id(collection_id, document.source)
    return [
        Chunk(
            chunk_id(identity, document.content_hash, position),
            position,
            document.title,
            section.headings,
            section.text,
            sentences,
        )
        for position, section in enumerate(document.sections)
    ]


def make_vectors(count: int, seed: int = 0) -> Vectors:
    """Random directions, of length 1."""
    rows = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    lengths: Vectors = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / lengths


def put(library: Library, collection_id: str, document: Document, seed: int = 0) -> list[str]:
    """Puts the document with random vectors; the ids of its chunks."""
    chunks = make_chunks(collection_id, document)
    library.put_document(collection_id, document, chunks, make_vectors(len(chunks), seed))
    return [chunk.id for chunk in chunks]
