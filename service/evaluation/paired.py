"""Inference on paired differences: one number a question, one column a contrast; a source counts as one draw."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

FloatArray = NDArray[np.float64]
EXACT_GROUPS = 14


# What rounding leaves of differences that are all the same.
NOTHING = 1e-9
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


def varied(spread: float | None) -> bool:
    return spread is not None and spread > NOTHING


def cautious(interval: Interval, spread: float | None, groups: int, most: float = 1) -> Interval:
    """Where no group differed from another, up to 3 / n of all may still (the rule of three, Hanley 1983), by
    `most` each.
    """
    if varied(spread):
        return interval
    reach = 3 / groups * most
    return Interval(interval.low - reach, interval.high + reach)


def questions_without_spread(limit: float, a_group: float = 1) -> int:
    """So many that do not differ keep the rule of three's reach under the limit, with so many in a group."""
    return math.ceil((math.floor(3 / limit) + 1) * a_group)


@dataclass(frozen=True, slots=True)
class Differences:
    """Sums of differences (groups, contrasts) and numbers of questions (groups,).

    Questions on one document rise and fall together, so the group is what is drawn at random, as Miller asks
    (arXiv 2411.00640). Where each question is its own group this is the ordinary one-sample case.
    """

    sums: FloatArray
    sizes: FloatArray

    @property
    def questions(self) -> int:
        return int(self.sizes.sum())

    @property
    def groups(self) -> int:
        return len(self.sizes)

    @property
    def mean(self) -> FloatArray:
        """Over questions, for each contrast."""
        return np.asarray(self.sums.sum(axis=0) / self.sizes.sum())

    @property
    def standard_error(self) -> FloatArray:
        """Of the mean, robust to likeness inside a group (CR1); needs two groups."""
        residuals = self.sums - self.sizes[:, None] * self.mean
        scale = self.groups / (self.groups - 1)
        return np.asarray(np.sqrt(scale * (residuals**2).sum(axis=0)) / self.sizes.sum())

    @property
    def spread(self) -> FloatArray:
        """The standard deviation a question that sample sizes need; groups of like questions make it larger."""
        return np.asarray(self.standard_error * np.sqrt(self.sizes.sum()))


def differences(values: FloatArray, groups: Sequence[str] | None = None) -> Differences:
    """Values are (questions, contrasts); `groups` names each question's source document."""
    if groups is None:
        return Differences(values, np.ones(len(values)))
    if len(groups) != len(values):
        raise ValueError(f"Expected a group for each of {len(values)} questions, got {len(groups)}.")
    names, members = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, members, values)
    return Differences(sums, np.bincount(members).astype(float))


def t_interval(sample: Differences, level: float = LEVEL) -> FloatArray:
    """Low and high of Student's interval for each contrast: (contrasts, 2). Needs two groups."""
    half = t.ppf((1 + level) / 2, sample.groups - 1) * sample.standard_error
    return np.column_stack([sample.mean - half, sample.mean + half])


def bca_interval(sample: Differences, resamples: int = 5000, seed: int = 0) -> FloatArray:
    """Low and high of the bias-corrected, accelerated bootstrap (Efron 1987), 95 %: (contrasts, 2).

    Needs two groups: whole ones are drawn again. All contrasts share the draws, so that intervals can be compared.
    """
    counts = drawn(sample.groups, resamples, seed)
    means = (counts @ sample.sums) / (counts @ sample.sizes)[:, None]
    tails = bca_tails(means - sample.mean, acceleration(sample))
    return np.array([np.quantile(column, ends) for column, ends in zip(means.T, tails, strict=True)])


def drawn(groups: int, resamples: int, seed: int) -> FloatArray:
    """How often each group is in each bootstrap sample: (resamples, groups)."""
    indices = np.random.default_rng(seed).integers(0, groups, (resamples, groups))
    cells = indices + groups * np.arange(resamples)[:, None]
    return np.bincount(cells.ravel(), minlength=resamples * groups).reshape(resamples, groups).astype(float)


def acceleration(sample: Differences) -> FloatArray:
    """The skew of the mean as the jackknife sees it, for each contrast; 0 where nothing varies."""
    left = (sample.sums.sum(axis=0) - sample.sums) / (sample.sizes.sum() - sample.sizes)[:, None]
    pulls = left.mean(axis=0) - left
    scale = 6 * (pulls**2).sum(axis=0) ** 1.5
    skew = np.divide((pulls**3).sum(axis=0), scale, out=np.zeros(len(scale)), where=scale > 1e-30)
    return np.asarray(skew)


def bca_tails(shifts: FloatArray, skew: FloatArray) -> FloatArray:
    """The two quantiles to read for each contrast: (contrasts, 2). Ties with the estimate count half."""
    rounding = 1e-12 * (np.abs(shifts).max(axis=0) + 1e-300)
    below = ((shifts < -rounding).sum(axis=0) + (shifts <= rounding).sum(axis=0)) / 2
    bias = norm.ppf((below + 0.5) / (len(shifts) + 1))[:, None]
    reach = bias + norm.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return np.asarray(norm.cdf(bias + reach / (1 - skew[:, None] * reach)))


def sign_flip_p(sample: Differences, flips: int = 10_000, seed: int = 0) -> FloatArray:
    """Two-sided p that each contrast is zero, by turning the signs of whole groups (Fisher's randomisation test).

    Exact up to 14 groups; beyond, (b + 1) / (m + 1) over random flips, which is never 0.
    """
    exact = sample.groups <= EXACT_GROUPS
    signs = all_signs(sample.groups) if exact else random_signs(sample.groups, flips, seed)
    observed = np.abs(sample.sums.sum(axis=0))
    rounding = 1e-9 * np.abs(sample.sums).sum(axis=0)
    as_large = (np.abs(signs @ sample.sums) >= observed - rounding).sum(axis=0)
    return np.asarray(as_large / len(signs) if exact else (as_large + 1) / (len(signs) + 1), dtype=float)


def all_signs(count: int) -> FloatArray:
    return 2.0 * (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(np.float64) - 1


def random_signs(count: int, flips: int, seed: int) -> FloatArray:
    return 2.0 * np.random.default_rng(seed).integers(0, 2, (flips, count), dtype=np.int8).astype(np.float64) - 1


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of one family, adjusted so that the chance of any false alarm stays under alpha (Holm 1979)."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return [float(value) for value in adjusted]
