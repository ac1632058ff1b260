"""Examples that are nearly the same, by the embedder's cosine: within a set, and across its splits."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from adapters.dataset.entries import Entry, Finding
from adapters.examples import Pool, Vectors, words

NEAR = 0.95
CANDIDATES = 10
HELD = 0.6


def near_earlier(places: Sequence[str], vectors: Vectors, kind: str, what: str) -> Iterator[Finding]:
    """Texts whose unit vector (n, d) is near one of an earlier text."""
    for number in range(1, len(places)):
        cosines = vectors[:number] @ vectors[number]
        other = int(np.argmax(cosines))
        if cosines[other] >= NEAR:
            message = f"{what} is nearly that of {places[other]} (cosine {cosines[other]:.2f})"
            yield Finding(kind, places[number], message)


def near_across(
    places: Sequence[str], vectors: Vectors, others: Sequence[str], other_vectors: Vectors, split: str
) -> Iterator[Finding]:
    """Questions of a training whose unit vectors (n, d) are near one of another split's (m, d)."""
    for place, vector in zip(places, vectors, strict=True) if others else ():
        cosines = other_vectors @ vector
        other = int(np.argmax(cosines))
        if cosines[other] >= NEAR:
            message = f"its question is nearly that of {others[other]} (cosine {cosines[other]:.2f}), {split}"
            yield Finding("leak", place, message)


def place_in(entry: Entry, vector: Vectors, pool: Pool) -> Entry | Finding:
    """The entry with the document and section that hold its answer; a finding where none does.

    `vector` (d,) is that of its question and answer. Its own passages say more than its answer, where it has any.
    """
    told = words(" ".join(entry.passages) or entry.text)
    candidates = pool.ranked(vector)[:CANDIDATES]
    held = [len(told & words(f"{passage.place} {passage.text}")) / max(len(told), 1) for passage in candidates]
    best = int(np.argmax(held))
    if held[best] < HELD:
        message = (
            f"no document holds its answer: the nearest, {candidates[best].source}, has {held[best]:.0%} of it"
        )
        return Finding("no-document", entry.place, message)
    passage = candidates[best]
    section = passage.headings[-1] if passage.headings else None
    return replace(entry, example=replace(entry.example, document=passage.source, section=section))
