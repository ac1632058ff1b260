"""A second look at what search found: a ranker reads the best again, orders them, and may say that none answers."""

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

    def log_odds(self, question: str, passages: Sequence[str], earlier: str = "") -> list[float]:
        """For each passage the logarithm of the odds that it answers the question, 0 where it is as likely as not.

        `earlier` is the question before a follow-up. Raises RuntimeError.
        """


@dataclass(frozen=True, slots=True)
class SecondLook:
    """The ranker, how many of the best passages it reads, what its word weighs beside search's score, and the
    log-odds that one of them must reach: below that, nothing was found.
    """

    ranker: Ranks
    passages: int
    weight: float
    min_log_odds: float

    def ordered(self, question: str, history: Sequence[Turn], best: tuple[Passage, ...]) -> tuple[Passage, ...]:
        """The passages, of which the first few may have changed places; or none. Raises RuntimeError."""
        if not best:
            return ()
        texts = [passage.embedded_text for passage in best[: self.passages]]
        earlier = history[-1].question if history else ""
        odds = self.ranker.log_odds(question, texts, earlier)
        return reranked(best, odds, self.weight) if max(odds) >= self.min_log_odds else ()

    def settings(self) -> dict[str, float | str]:
        """All that decides its order, by the names of a manifest."""
        return {
            "ranker": self.ranker.sha256,
            "ranker_passages": self.passages,
            "ranker_weight": self.weight,
            "ranker_min_log_odds": self.min_log_odds,
        }
