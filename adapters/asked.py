"""What people ask, for a search that is to learn it: questions, their passage, and the nearest others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.dataset.check import check_search_recipe
from adapters.dataset.entries import Told
from adapters.dataset.read import read_elsewhere, read_style
from adapters.dataset.report import insist
from adapters.examples import Pool, StyleExample, gold_passage, split_examples
from adapters.pool import configured_pool, seen_of
from adapters.recipe import RankingRecipe, SearchRecipe
from configs.settings import Settings
from ingest.embed import Embedder


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples that passed the check, split by document, and the passages that training may see: `seen` of the
    documents, `others` with the examples about other pages.
    """

    embedder: Embedder
    seen: Pool
    others: Told | None
    training: list[StyleExample]
    validation: list[StyleExample]


def checked_examples(path: Path, recipe: SearchRecipe | RankingRecipe, settings: Settings) -> Examples:
    """Those of the recipe, which is the file `path`. Raises ExampleError; DatasetRefused where the check fails."""
    data = recipe.data
    embedder, pool = configured_pool(data.documents, settings)
    seen = seen_of(data, pool)
    told, others = Told(read_style(data.examples), pool), read_elsewhere(recipe, embedder, settings)
    insist(check_search_recipe(recipe, told, others, embedder, settings.guard.no_answer), str(path))
    splits = split_examples(told.read.examples, frozenset(data.validation), frozenset(data.held_back))
    return Examples(embedder, seen, others, *splits)


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
