"""Two arms compared while users still arrive: intervals, alarms, sample sizes; equal to GrowthBook's statistics."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm, t

FloatArray = NDArray[np.float64]

FEWEST_UNITS = 30
SRM_ALARM = 0.001


@dataclass(frozen=True, slots=True)
class ArmTotals:
    """An arm's units (users, each counted once), the mean outcome of a unit, and its variance."""

    units: int
    mean: float
    variance: float

    @classmethod
    def of(cls, outcomes: FloatArray) -> "ArmTotals":
        """From one outcome a unit; needs two units."""
        return cls(len(outcomes), float(outcomes.mean()), float(outcomes.var(ddof=1)))


@dataclass(frozen=True, slots=True)
class Difference:
    """Of arms' means, with `units` in all the arms together."""

    value: float
    standard_error: float
    units: int
    degrees_of_freedom: float


@dataclass(frozen=True, slots=True)
class TestedInterval:
    low: float
    high: float
    p: float


def contrast(arms: Sequence[ArmTotals], weights: Sequence[float]) -> Difference | None:
    """The arms' means, each times its weight, added up: 1, -1 for a difference, 1, -1, -1, 1 for an interaction.

    Degrees of freedom after Welch (1947) and Satterthwaite (1946). None before 30 units an arm, or without spread:
    every interval here rests on a normal limit, which fewer units, or a variance of zero by luck, do not reach.
    """
    if min(arm.units for arm in arms) < FEWEST_UNITS or sum(arm.variance for arm in arms) <= 0:
        return None
    parts = [weight**2 * arm.variance / arm.units for arm, weight in zip(arms, weights, strict=True)]
    freedom = sum(parts) ** 2 / sum(part**2 / (arm.units - 1) for part, arm in zip(parts, arms, strict=True))
    value = sum(weight * arm.mean for arm, weight in zip(arms, weights, strict=True))
    return Difference(value, math.sqrt(sum(parts)), sum(arm.units for arm in arms), freedom)


def fixed_horizon(difference: Difference, alpha: float = 0.05) -> TestedInterval:
    """Student's interval: right for one look, at a number of units set beforehand; wrong for whoever peeks."""
    half = float(t.ppf(1 - alpha / 2, difference.degrees_of_freedom)) * difference.standard_error
    p = 2 * float(t.sf(abs(difference.value) / difference.standard_error, difference.degrees_of_freedom))
    return TestedInterval(difference.value - half, difference.value + half, p)


def always_valid(difference: Difference, decision_at: int, alpha: float = 0.05) -> TestedInterval:
    """The asymptotic confidence sequence of Waudby-Smith et al. (arXiv 2103.06476): right at every look, for ever.

    `decision_at` is the number of units, both arms together, at which the interval shall be tightest: the traffic
    expected when someone will decide. It is set beforehand and never changed during the experiment.
    """
    half = float(always_valid_width(difference.units, decision_at, alpha)) * difference.standard_error
    p = always_valid_p(difference.value / difference.standard_error, difference.units, decision_at, alpha)
    return TestedInterval(difference.value - half, difference.value + half, p)


def always_valid_width(units: FloatArray | int, decision_at: int, alpha: float = 0.05) -> FloatArray:
    """Half the interval in standard errors, where a single look has 1.96."""
    spread = np.asarray(units, dtype=float) * mixture(decision_at, alpha)
    return np.asarray(np.sqrt(2 * (spread + 1) / spread * np.log(np.sqrt(spread + 1) / alpha)))


def always_valid_p(z: float, units: int, decision_at: int, alpha: float = 0.05) -> float:
    """The smallest alpha whose interval leaves out 0, at the mixture that was tuned for `alpha`."""
    spread = units * mixture(decision_at, alpha)
    return min(1.0, math.sqrt(spread + 1) * math.exp(-(z**2) * spread / (2 * (spread + 1))))


def mixture(decision_at: int, alpha: float) -> float:
    """The variance rho squared of the normal mixture that makes the interval tightest at so many units."""
    if decision_at < 1:
        raise ValueError(f"Expected decision_at of at least 1 unit, got {decision_at}.")
    return (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / decision_at


def srm_p(counts: Sequence[int], shares: Sequence[float]) -> float:
    """P of a sample ratio mismatch (Fabijan et al. 2019): that chance made the arms' sizes so unlike the shares.

    Alarm under SRM_ALARM, and believe no effect until it is explained. 1 without units; 0 where an arm of no share
    has units. Raises ValueError where counts and shares do not match, or no share is above 0.
    """
    if len(counts) != len(shares) or min(shares, default=0) < 0 or sum(shares) <= 0:
        raise ValueError(f"Expected a share, 0 or more, for each of {len(counts)} arms, got {list(shares)}.")
    observed, weights = np.asarray(counts, dtype=float), np.asarray(shares, dtype=float)
    open_arms = weights > 0
    if observed[~open_arms].any():
        return 0.0
    expected = observed.sum() * weights[open_arms] / weights.sum()
    if open_arms.sum() < 2 or not observed.any():
        return 1.0
    statistic = ((observed[open_arms] - expected) ** 2 / expected).sum()
    return float(chi2.sf(statistic, open_arms.sum() - 1))


def cuped(outcomes: FloatArray, before: FloatArray) -> FloatArray:
    """Outcomes (units,) less what each unit's value from before its exposure foretells (Deng et al. 2013).

    Give all arms together, then split. `before` is NaN for a unit without a past, which keeps its outcome. The mean
    difference stays unbiased; its variance shrinks by the square of the correlation.
    """
    if outcomes.shape != before.shape:
        raise ValueError(f"Expected as many values before as outcomes, got {before.shape} and {outcomes.shape}.")
    known = ~np.isnan(before)
    past = before[known]
    if len(past) < 2 or not past.var() > 0:
        return outcomes.copy()
    adjusted = outcomes.copy()
    slope = np.cov(outcomes[known], past)[0, 1] / past.var(ddof=1)
    adjusted[known] -= slope * (past - past.mean())
    return adjusted


def units_per_arm(spread: float, effect: float, alpha: float = 0.05) -> int:
    """Units in each of two equal arms that show such a difference with a power of 80 %, for one look at the end.

    `spread` is the standard deviation of a unit's outcome, `effect` in the same unit.
    """
    quantiles = float(norm.ppf(1 - alpha / 2)) + float(norm.ppf(0.8))
    return math.ceil(2 * (quantiles * spread / effect) ** 2)
