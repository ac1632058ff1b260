"""Guardrails: a layer may help its goal only while nothing else gets worse by more than a margin."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from service.evaluation.metrics.catalogue import Better, Unit
from service.evaluation.paired import Differences, FloatArray, Interval, cautious, differences, t_interval


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """`change` is on minus off, in the metric's unit; `holds` is None where under two groups were measured.

    `harmed` means more than not shown to hold: the whole interval lies beyond the margin. Of a share that changed
    alike in all questions the interval is the rule of three's, and `p` is None.
    """

    change: float | None
    interval: Interval | None
    margin: float
    p: float | None
    holds: bool | None
    harmed: bool
    questions: int
    groups: int
    spread: float | None


def non_inferiority(
    change: FloatArray,
    margin: float,
    better: Better = "higher",
    groups: Sequence[str] | None = None,
    unit: Unit = "share",
) -> NonInferiority:
    """Tests that a layer does not worsen a metric by `margin` (a positive number in the metric's unit) or more.

    `change` is (questions,), on minus off, NaN where a side has no score. One-sided at 2.5 %, as ICH E9 has it, so
    that it agrees with the two-sided 95 % interval that a report shows. Raises ValueError for a margin <= 0.
    """
    if not margin > 0:
        raise ValueError(f"Expected a margin above 0, got {margin}; state how much worse is still acceptable.")
    known = ~np.isnan(change)
    names = None if groups is None else [name for name, there in zip(groups, known, strict=True) if there]
    sample = differences(change[known, None], names)
    if sample.groups < 2:
        mean = float(sample.mean[0]) if sample.groups else None
        return NonInferiority(mean, None, margin, None, None, False, sample.questions, sample.groups, None)
    return judged(sample, margin, better, unit)


def judged(sample: Differences, margin: float, better: Better, unit: Unit) -> NonInferiority:
    mean, error, spread = (float(one[0]) for one in (sample.mean, sample.standard_error, sample.spread))
    student = Interval(*map(float, t_interval(sample)[0]))
    seen = cautious(student, spread, sample.groups) if unit == "share" else student
    gain, worst, best = (mean, seen.low, seen.high) if better == "higher" else (-mean, -seen.high, -seen.low)
    return NonInferiority(
        change=mean,
        interval=seen,
        margin=margin,
        p=upper_tail(gain + margin, error, sample.groups - 1) if seen == student else None,
        holds=worst > -margin,
        harmed=best < -margin,
        questions=sample.questions,
        groups=sample.groups,
        spread=spread,
    )


def upper_tail(distance: float, error: float, degrees_of_freedom: int) -> float:
    """P of a mean this far above its bound; without any spread it is certain."""
    return float(t.sf(distance / error, degrees_of_freedom)) if error else float(distance <= 0)
