"""One Chroma collection: the nearest vectors, those it lost, and more of them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingest.documents import Hit, Vectors

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

BATCH = 1000
# Looked up by its own vector, a chunk is found at this distance at most; or another with the same text.
_SAME = 1e-4


def nearest(collection: "Collection", vector: Vectors, limit: int) -> list[Hit]:
    found = collection.query(query_embeddings=vector[None, :], n_results=limit, include=["distances"])
    distances = found["distances"] or [[]]
    return [Hit(id, 1.0 - distance) for id, distance in zip(found["ids"][0], distances[0], strict=True)]


def unfindable(collection: "Collection", ids: list[str], vectors: Vectors) -> Iterator[str]:
    for start in range(0, len(ids), BATCH):
        part = slice(start, start + BATCH)
        found = collection.query(query_embeddings=vectors[part], n_results=1, include=["distances"])
        for wanted, distances in zip(ids[part], found["distances"] or [], strict=True):
            if not distances or distances[0] > _SAME:
                yield wanted


def upsert(collection: "Collection", ids: list[str], vectors: Vectors) -> None:
    for start in range(0, len(ids), BATCH):
        part = slice(start, start + BATCH)
        collection.upsert(ids=ids[part], embeddings=vectors[part])
