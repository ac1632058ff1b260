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

    @classmethod
    def from_sums(cls, units: int, total: float, squares: float) -> "ArmTotals":
        """From the sum of the outcomes and the sum of their squares; needs two units."""
        return cls(units, total / units, (squares - total**2 / units) / (units - 1))

    @classmethod
    def from_counts(cls, units: int, successes: int) -> "ArmTotals":
        share = successes / units
        return cls(units, share, share * (1 - share))


@dataclass(frozen=True, slots=True)
class Difference:
    """Treatment minus control, of `units` in both arms together."""

    value: float
    standard_error: float
    units: int
    degrees_of_freedom: float


@dataclass(frozen=True, slots=True)
class TestedInterval:
    low: float
    high: float
    p: float


def absolute(control: ArmTotals, treatment: ArmTotals) -> Difference | None:
    """The difference of means in the outcome's unit (Welch 1947); None before 30 units an arm, or without spread.

    Every interval here rests on a normal limit, which fewer units, or a variance of zero by luck, do not reach.
    """
    return welch(control, treatment, treatment.mean - control.mean, 1.0, 1.0)


def relative(control: ArmTotals, treatment: ArmTotals) -> Difference | None:
    """The same as a share of the control's mean, by the delta method; None also where that mean is 0."""
    if control.mean == 0:
        return None
    value = (treatment.mean - control.mean) / abs(control.mean)
    return welch(control, treatment, value, (treatment.mean / control.mean**2) ** 2, 1 / control.mean**2)


def welch(
    control: ArmTotals, treatment: ArmTotals, value: float, control_scale: float, treatment_scale: float
) -> Difference | None:
    """The scales multiply the two means' variances; the degrees of freedom stay those of the plain difference."""
    if min(control.units, treatment.units) < FEWEST_UNITS or control.variance + treatment.variance <= 0:
        return None
    first, second = control.variance / control.units, treatment.variance / treatment.units
    freedom = (first + second) ** 2 / (first**2 / (control.units - 1) + second**2 / (treatment.units - 1))
    error = math.sqrt(control_scale * first + treatment_scale * second)
    return Difference(value, error, control.units + treatment.units, freedom) if error else None


def contrast(arms: Sequence[ArmTotals], weights: Sequence[float]) -> Difference | None:
    """The arms' means, each times its weight, added up: 1, -1, -1, 1 for an interaction, 1 for one arm alone.

    Degrees of freedom after Welch (1947) and Satterthwaite (1946); None as for `absolute`.
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


def units_per_arm(spread: float, effect: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Units in each of two equal arms that show a difference of this size, for one look at the end.

    `spread` is the standard deviation of a unit's outcome, `effect` in the same unit.
    """
    quantiles = float(norm.ppf(1 - alpha / 2)) + float(norm.ppf(power))
    return math.ceil(2 * (quantiles * spread / effect) ** 2)
