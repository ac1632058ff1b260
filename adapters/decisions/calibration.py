"""Calibration: what a way of deciding says of itself becomes how often it is right."""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

BINS = 15
NEARLY = 1e-6


class Origin(BaseModel):
    """What a language model's decisions come from: where any of it changes, nobody knows how often they are right.

    Policy and records belong to every way: they tell what is right. A layer that did not act is None; `similar`
    names the records that were shown with the embedder that found them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str = ""
    base: str = ""
    prompt_sha256: str | None = None
    adapter_sha256: str | None = None
    policy_sha256: str = ""
    records_sha256: str = ""
    similar: str | None = None


class Calibration(Origin):
    """Probability of being right = sigmoid(slope * logit(confidence) + intercept), from so many `records`.

    One form for every way to decide: an engine tells the probability of the decision that it made only, and
    temperature alone cannot mend one that is always sure. The head's has no origin: its card tells it.
    """

    slope: float
    intercept: float
    records: int

    def holds_for(self, origin: Origin) -> bool:
        return all(getattr(self, name) == value for name, value in origin)

    def probability(self, confidence: float) -> float:
        # Not 1 / (1 + exp(-x)): where few records make the slope steep, exp overflows.
        return math.exp(-np.logaddexp(0, -(self.slope * logit(confidence) + self.intercept)))


def logit(confidence: float) -> float:
    kept = min(max(confidence, NEARLY), 1 - NEARLY)
    return math.log(kept / (1 - kept))


def calibrated(confidences: Sequence[float], right: Sequence[bool], origin: Origin | None = None) -> Calibration:
    """Least log loss with Platt's targets, which keep few records from making it too sure."""
    # A service only applies calibrations, and need not wait for this import.
    from scipy.optimize import minimize

    x, hit = np.array([logit(one) for one in confidences]), np.array(right, dtype=bool)
    hits, misses = int(hit.sum()), int((~hit).sum())
    target = np.where(hit, (hits + 1) / (hits + 2), 1 / (misses + 2))

    def loss(values: np.ndarray) -> float:
        z = values[0] * x + values[1]
        return float((np.logaddexp(0, z) - target * z).mean())

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    # A negative slope would refer the surest ones: then how sure it was says nothing.
    if slope < 0:
        slope, intercept = 0.0, math.log((hits + 1) / (misses + 1))
    measured = {"slope": float(slope), "intercept": float(intercept), "records": len(hit)}
    return Calibration.model_validate(measured | (origin.model_dump() if origin else {}))


def expected_calibration_error(probabilities: Sequence[float], right: Sequence[bool]) -> float:
    """Over equally wide bins: the mean gap between the probability said and the share that was right."""
    said, hit = np.array(probabilities), np.array(right, dtype=float)
    places = np.minimum((said * BINS).astype(int), BINS - 1)
    gaps = [abs(said[places == at].sum() - hit[places == at].sum()) for at in range(BINS)]
    return float(sum(gaps) / len(hit))
