"""A second look at what search found: a ranker reads the best again, and its word counts beside search's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from adapters.prompt import Turn
from ingest.documents import Passage
from service.fusion import reranked


@runtime_checkable
class Ranks(Protocol):
    """What can look again."""

    @property
    def sha256(self) -> str:
        """Of the ranker's weights."""

    def likelihoods(self, question: str, passages: Sequence[str], earlier: str = "") -> list[float]:
        """For each passage, how likely the question's tokens are after it (mean log-likelihood).

        `earlier` is the question before a follow-up. Raises RuntimeError.
        """


@dataclass(frozen=True, slots=True)
class SecondLook:
    """The ranker, how many of the best passages it reads, and what its word weighs beside search's score."""

    ranker: Ranks
    passages: int
    weight: float

    def ordered(self, question: str, history: Sequence[Turn], best: tuple[Passage, ...]) -> tuple[Passage, ...]:
        """The passages, of which the first few may have changed places; read only if there is anything to choose.

        Raises RuntimeError.
        """
        if len(best) < 2:
            return best
        texts = [passage.embedded_text for passage in best[: self.passages]]
        earlier = history[-1].question if history else ""
        return reranked(best, self.ranker.likelihoods(question, texts, earlier), self.weight)

    def settings(self) -> dict[str, float | str]:
        """All that decides its order, by the names of a manifest."""
        return {"ranker": self.ranker.sha256, "ranker_passages": self.passages, "ranker_weight": self.weight}
