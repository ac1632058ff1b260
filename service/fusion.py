"""Two searches' scores as one: pure functions from hits and passages to the passages that are shown."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from adapters.prompt import Turn
from ingest.documents import Hit, Passage
from ingest.keyword import search_terms

STEM = 5
SAME_TEXT = 0.9
CONTEXT_CHARACTERS = 300


def search_queries(question: str, history: Sequence[Turn]) -> tuple[str, ...]:
    """What to search for: the question alone, and after an earlier one also both together.

    Together for "And on Sundays?", alone for a question that opens another topic.
    """
    if not history:
        return (question,)
    return (question, f"{history[-1].question[:CONTEXT_CHARACTERS]} {question}")


def stems(text: str) -> set[str]:
    """The text's words, cut to what their forms have in common."""
    return {word[:STEM] for word in re.findall(r"[^\W_]+", text.lower())}


def coverage(query: str, passage: Passage) -> float:
    """The share of the query's telling words that the passage contains, 0 to 1."""
    wanted = {word[:STEM] for word in search_terms(query)}
    return len(wanted & stems(f"{passage.place} {passage.text}")) / len(wanted) if wanted else 0.0


def fuse(
    dense: Iterable[Hit], keyword: Sequence[Hit], keyword_strength: float, dense_weight: float
) -> dict[str, float]:
    """Chunk id -> score in 0..1, the weighted sum of both searches.

    A cosine means the same for every query; a keyword score does not. So keyword scores are taken relative
    to the best one, which counts as `keyword_strength` (0 to 1): a query whose words nobody uses gets no
    high score for the least bad match.
    """
    best = max((hit.score for hit in keyword), default=0.0)
    scores = {hit.chunk_id: dense_weight * min(max(hit.score, 0.0), 1.0) for hit in dense}
    for hit in keyword:
        share = hit.score / best if best > 0 else 0.0
        part = (1 - dense_weight) * keyword_strength * share
        scores[hit.chunk_id] = scores.get(hit.chunk_id, 0.0) + part
    return scores


def with_pages(
    scores: Mapping[str, float], pages: Mapping[str, float], sources: Mapping[str, str], page_weight: float
) -> dict[str, float]:
    """A chunk's score, `page_weight` of it being that of its page (by `sources`): what two searches find in two
    places of one page speaks for that page, too.
    """
    return {key: (1 - page_weight) * score + page_weight * pages[sources[key]] for key, score in scores.items()}


def by_page(hits: Iterable[Hit], sources: Mapping[str, str]) -> list[Hit]:
    """Each page with the best of its chunks' scores."""
    best: dict[str, float] = {}
    for hit in hits:
        page = sources[hit.chunk_id]
        best[page] = max(hit.score, best.get(page, hit.score))
    return [Hit(page, score) for page, score in best.items()]


def best_of(scores: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Each chunk with its best score over several queries."""
    best: dict[str, float] = {}
    for one in scores:
        best |= {key: max(score, best.get(key, 0.0)) for key, score in one.items()}
    return best


def chosen(
    passages: Mapping[str, Passage], scores: Mapping[str, float], limit: int, min_score: float
) -> tuple[Passage, ...]:
    """The best passages with their scores; none below `min_score`, and no text twice."""
    ranked = sorted(scores.keys() & passages.keys(), key=lambda key: (-scores[key], key))
    shown: list[Passage] = []
    for key in ranked:
        if len(shown) == limit or scores[key] < min_score:
            break
        if not any(alike(passages[key], other) for other in shown):
            shown.append(replace(passages[key], score=round(scores[key], 4)))
    return tuple(shown)


def reranked(passages: Sequence[Passage], log_odds: Sequence[float], weight: float) -> tuple[Passage, ...]:
    """By search's score and, `weight` times, the log-odds that each of the first passages answers the question.

    Each keeps the score of the search; those that were not looked at stay last.
    """
    looked = passages[: len(log_odds)]
    worth = {one.chunk_id: one.score + weight * told for one, told in zip(looked, log_odds, strict=True)}
    return (*sorted(looked, key=lambda one: -worth[one.chunk_id]), *passages[len(looked) :])


def alike(one: Passage, other: Passage) -> bool:
    """Whether nearly all words of one text are in the other, as in an overlap or a copied paragraph."""
    first, second = stems(one.text), stems(other.text)
    return len(first & second) >= SAME_TEXT * max(len(first), len(second))
