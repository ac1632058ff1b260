"""Calibration: what a way of deciding says of itself becomes how often it is right."""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

BINS = 15
NEARLY = 1e-6


class Calibration(BaseModel):
    """Probability of being right = sigmoid(slope * logit(confidence) + intercept), from so many `records`.

    One form for every way to decide: an engine tells the probability of the decision that it made only, and
    temperature alone cannot mend one that is always sure. `engine` and `base` name the model that it holds for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: float
    intercept: float
    records: int
    engine: str = ""
    base: str = ""

    def probability(self, confidence: float) -> float:
        return 1 / (1 + math.exp(-(self.slope * logit(confidence) + self.intercept)))


def logit(confidence: float) -> float:
    kept = min(max(confidence, NEARLY), 1 - NEARLY)
    return math.log(kept / (1 - kept))


def calibrated(
    confidences: Sequence[float], right: Sequence[bool], engine: str = "", base: str = ""
) -> Calibration:
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
    return Calibration(slope=float(slope), intercept=float(intercept), records=len(hit), engine=engine, base=base)


def expected_calibration_error(probabilities: Sequence[float], right: Sequence[bool]) -> float:
    """Over equally wide bins: the mean gap between the probability said and the share that was right."""
    said, hit = np.array(probabilities), np.array(right, dtype=float)
    places = np.minimum((said * BINS).astype(int), BINS - 1)
    gaps = [abs(said[places == at].sum() - hit[places == at].sum()) for at in range(BINS)]
    return float(sum(gaps) / len(hit))
