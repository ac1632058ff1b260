"""What people ask, for a search that is to learn it: questions, their passage, and the nearest others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapters.examples import Pool, StyleExample, gold_passage
from ingest.embed import Embedder


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the passage that answers it (None if none does), and the nearest that do not, nearest first."""

    question: str
    answering: str | None
    others: tuple[str, ...]


def asked_of(examples: Sequence[StyleExample], pool: Pool, embedder: Embedder, others: int) -> Iterator[Asked]:
    """Each example's question with its passage and the nearest others, as the plain embedder sees them."""
    vectors = embedder.embed_queries([example.question for example in examples])
    for example, vector in zip(examples, vectors, strict=True):
        gold = gold_passage(example, pool.passages)
        wrong = [passage.embedded_text for passage in pool.ranked(vector) if passage != gold]
        yield Asked(example.question, gold.embedded_text if gold else None, tuple(wrong[:others]))
