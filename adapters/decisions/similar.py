"""Similar past records: the nearest of the same service, and what they vote for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adapters.decisions.features import KIND
from adapters.decisions.records import Case, PastCase
from ingest.documents import Vectors

# How much nearer a record has to be to weigh e times as much.
TEMPERATURE = 0.05


@dataclass(frozen=True, slots=True)
class Similar:
    """A past record with its cosine to the case."""

    past: PastCase
    similarity: float


@dataclass(frozen=True)
class Memory:
    """Past records with their vectors (n, d): some thousands, so that looking at all of them is quickest."""

    past: Sequence[PastCase]
    vectors: Vectors

    def nearest(self, case: Case, vector: Vectors, count: int) -> list[Similar]:
        """The nearest of the case's service, the nearest first; `vector` (d,) is that of `told(case)`."""
        cosines = self.vectors @ vector
        same = [at for at, one in enumerate(self.past) if one.case.fields.get(KIND) == case.fields.get(KIND)]
        best = sorted(same, key=lambda at: -cosines[at])[:count]
        return [Similar(self.past[at], float(cosines[at])) for at in best]


def told(case: Case) -> str:
    """The text of a case by which similar ones are found."""
    return "\n".join(case.lines())


def votes(similar: Sequence[Similar], codes: Sequence[str]) -> Vectors:
    """The share of each code (codes,) among the similar records, nearer ones weighing more; zeros without any."""
    shares = np.zeros(len(codes), dtype=np.float32)
    for one in similar:
        shares[codes.index(one.past.code)] += np.exp((one.similarity - 1) / TEMPERATURE)
    return shares / total if (total := shares.sum()) else shares


def combined(head: Vectors, similar: Vectors, vote: float) -> Vectors:
    """The head's shares with the votes' part in them; without votes the head's alone."""
    return (1 - vote) * head + vote * similar if similar.any() else head
