"""How well a ranking finds the gold documents or chunks, as trec_eval counts; ids may be of either kind."""

from collections.abc import Mapping, Sequence, Set
from math import log2


def ndcg(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float | None:
    """Normalised discounted cumulative gain of the first k (Järvelin and Kekäläinen 2002), linear gain, 0 to 1.

    `grades` holds the judged ids, 1 and up for relevant; unjudged counts as not relevant. The ideal is over all
    relevant ids, found or not. None where nothing is relevant.
    """
    ideal = gain(sorted(grades.values(), reverse=True)[:k])
    return gain([grades.get(one, 0) for one in once(ranked)[:k]]) / ideal if ideal else None


def gain(grades: Sequence[int]) -> float:
    return sum(max(grade, 0) / log2(rank + 1) for rank, grade in enumerate(grades, start=1))


def recall_at(ranked: Sequence[str], relevant: Set[str], k: int) -> float | None:
    """The share of the relevant ids among the first k, 0 to 1; None where nothing is relevant."""
    return len(relevant & set(once(ranked)[:k])) / len(relevant) if relevant else None


def reciprocal_rank(ranked: Sequence[str], relevant: Set[str]) -> float | None:
    """1 over the rank of the first relevant id (Voorhees 1999), 0 where none was found; its mean is MRR.

    None where nothing is relevant.
    """
    ranks = (rank for rank, one in enumerate(once(ranked), start=1) if one in relevant)
    return 1 / next(ranks, float("inf")) if relevant else None


def once(ranked: Sequence[str]) -> list[str]:
    """Each id at its first place: several chunks of one document are one hit."""
    return list(dict.fromkeys(ranked))
