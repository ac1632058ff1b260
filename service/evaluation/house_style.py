"""What the house sounds like, as it was learnt, and how like it a text is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ingest.documents import Vectors
from service.evaluation.metrics.distorted import frequencies
from service.evaluation.metrics.style import length

FEWEST_WORDS = 5


class Learnt(BaseModel):
    """What a classifier was made from, and how well it does on documents that it had not seen.

    Each example stands against its document's own words. `auc`, with its 95 % `interval`, is the chance that an
    example scores above them (`cross_validated`). Where the classifier is not used, `missing` says why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    examples: int
    documents: int
    sha256: str
    auc: float | None = None
    interval: tuple[float, float] | None = None
    missing: str | None = None


@dataclass(frozen=True)
class StyleClassifier:
    """Logistic regression over the `columns`, the pieces of distorted text that it knows."""

    columns: Mapping[str, int]
    weights: Vectors
    bias: float

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Of each text, that the house wrote it: 0 to 1."""
        logits = frequencies(texts, self.columns) @ self.weights + self.bias
        return np.asarray(1 / (1 + np.exp(-logits)), dtype=float)


@dataclass(frozen=True)
class HouseStyle:
    learnt: Learnt
    classifier: StyleClassifier | None

    def likeness(self, text: str) -> float | str:
        """The probability that the house wrote it, not its documents, 0 to 1; else why there is none."""
        if self.classifier is None:
            return self.learnt.missing or "nothing was learnt"
        if length(text) < FEWEST_WORDS:
            return f"under {FEWEST_WORDS} words have no style"
        return float(self.classifier.probabilities([text])[0])
