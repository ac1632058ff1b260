"""GrowthBook's published statistics, and what peeking does over four simulated weeks."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.experiments.sequential import (
    FEWEST_UNITS,
    SRM_ALARM,
    ArmTotals,
    Difference,
    always_valid,
    always_valid_width,
    contrast,
    cuped,
    fixed_horizon,
    srm_p,
    units_per_arm,
)

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "growthbook" / "gbstats_vectors.json"
WEEKS, HOURS, RUNS = 4, 7 * 24, 1000


def from_sums(units: int, total: float, squares: float) -> ArmTotals:
    """From the sum of the outcomes and the sum of their squares."""
    return ArmTotals(units, total / units, (squares - total**2 / units) / (units - 1))


def from_counts(units: int, successes: int) -> ArmTotals:
    share = successes / units
    return ArmTotals(units, share, share * (1 - share))


A = from_sums(3407, 1396.87, 52377.9767)
A3000 = from_sums(3000, 1396.87, 52377.9767)
B = from_sums(3461, 2422.7, 134698.29)


def absolute(control: ArmTotals, treatment: ArmTotals) -> Difference | None:
    return contrast([treatment, control], [1.0, -1.0])


def relative(control: ArmTotals, treatment: ArmTotals) -> Difference | None:
    """As a share of the control's mean, by the delta method: most of GrowthBook's cases are of this kind."""
    plain = absolute(control, treatment)
    if plain is None:
        return None
    first, second = control.variance / control.units, treatment.variance / treatment.units
    error = math.sqrt((treatment.mean / control.mean) ** 2 * first + second) / abs(control.mean)
    value = plain.value / abs(control.mean)
    return Difference(value, error, plain.units, plain.degrees_of_freedom)


def known(difference: Difference | None) -> Difference:
    assert difference is not None
    return difference


def published(group: str) -> list[dict[str, Any]]:
    if not PUBLISHED.is_file():
        pytest.skip("GrowthBook's published statistics are not here")
    rows: list[dict[str, Any]] = json.loads(PUBLISHED.read_text(encoding="utf-8"))[group]
    assert rows
    return rows


def arm(row: dict[str, Any]) -> ArmTotals:
    if "sum_squares" in row:
        return from_sums(row["n"], row["sum"], row["sum_squares"])
    return from_counts(row["n"], row["sum"])


@pytest.mark.parametrize(
    ("difference", "value", "low", "high", "p"),
    [
        (relative(A, B), 0.70732, -0.03526, 1.44989, 0.06191),
        (absolute(A, B), 0.29, 0.04538, 0.53462, 0.02016),
        (absolute(from_counts(60, 30), from_counts(60, 42)), 0.2, 0.02659, 0.37341, 0.02416),
    ],
)
def test_fixed_horizon_as_published(
    difference: Difference | None, value: float, low: float, high: float, p: float
) -> None:
    found = fixed_horizon(known(difference))
    assert (known(difference).value, found.low, found.high, found.p) == pytest.approx(
        (value, low, high, p), abs=1e-5
    )


@pytest.mark.parametrize(
    ("difference", "decision_at", "low", "high", "p"),
    [
        (relative(A3000, B), 1000, -0.55844, 1.56516, 1.0),
        (relative(from_counts(3000, 1396), from_counts(3461, 2422)), 5000, 0.40098, 0.60675, 0),
        (
            absolute(from_counts(300, 120), from_counts(300, 165)),
            500,
            0.02759,
            0.27241,
            0.00617,
        ),
    ],
)
def test_always_valid_as_published(
    difference: Difference | None, decision_at: int, low: float, high: float, p: float
) -> None:
    found = always_valid(known(difference), decision_at)
    assert (found.low, found.high, found.p) == pytest.approx((low, high, p), abs=1e-5)


def test_all_published_cases() -> None:
    for case in published("cases"):
        if "post" in case["stat_a"] or case["stat_a"]["n"] < FEWEST_UNITS:
            continue
        config = case["config"]
        compare = absolute if config.get("difference_type") == "absolute" else relative
        difference = known(compare(arm(case["stat_a"]), arm(case["stat_b"])))
        at = config.get("sequential_tuning_parameter", 5000)
        found = always_valid(difference, at) if "Sequential" in case["test"] else fixed_horizon(difference)
        assert [found.low, found.high] == pytest.approx(case["computed"]["ci"]), case["name"]
        assert found.p == pytest.approx(case["computed"]["p_value"]), case["name"]


def test_published_sample_ratios() -> None:
    for case in published("check_srm"):
        assert srm_p(case["users"], case["weights"]) == pytest.approx(case["p"]), case


@pytest.mark.parametrize(
    ("counts", "shares", "p"),
    [
        ([1000, 1100], [0.5, 0.5], 0.02910),
        ([125] * 7 + [180], [1 / 8] * 8, 0.00542),
        ([10, 10, 0], [0.5, 0.5, 0.0], 1.0),
        ([10, 10, 1], [0.5, 0.5, 0.0], 0.0),
        ([0, 0], [0.5, 0.5], 1.0),
        ([7], [1.0], 1.0),
    ],
)
def test_sample_ratios(counts: list[int], shares: list[float], p: float) -> None:
    assert srm_p(counts, shares) == pytest.approx(p, abs=1e-5)


@pytest.mark.parametrize(("counts", "shares"), [([1, 2], [1.0]), ([1], [0.0]), ([1, 2], [1.5, -0.5]), ([], [])])
def test_shares_that_are_none_are_refused(counts: list[int], shares: list[float]) -> None:
    with pytest.raises(ValueError, match="share"):
        srm_p(counts, shares)


def test_the_ratio_alarm_is_rare() -> None:
    counts = np.random.default_rng(12).multinomial(800, [1 / 8] * 8, 2000)
    alarms = sum(srm_p(row, [1 / 8] * 8) < SRM_ALARM for row in counts.tolist())
    assert alarms <= 7


def test_the_first_units_and_arms_without_spread_have_no_difference() -> None:
    few, many = from_counts(FEWEST_UNITS - 1, 5), from_counts(100, 20)
    assert absolute(few, many) is None
    assert absolute(from_counts(50, 0), from_counts(50, 0)) is None


def test_an_interaction_by_hand() -> None:
    # 0.9 - 0.5 - 0.4 + 0.3, from variances 0.09, 0.25, 0.24 and 0.21 over 100 users each
    arms = [from_counts(100, count) for count in (90, 50, 40, 30)]
    found = known(contrast(arms, [1.0, -1.0, -1.0, 1.0]))
    assert (found.value, found.standard_error, found.units) == pytest.approx((0.3, math.sqrt(0.0079), 400))
    # 0.0079 squared, over (0.0009 squared + 0.0025 squared + 0.0024 squared + 0.0021 squared) / 99
    assert found.degrees_of_freedom == pytest.approx(6.241e-5 / (17.23e-6 / 99))
    assert contrast([*arms[:3], from_counts(29, 9)], [1.0, -1.0, -1.0, 1.0]) is None
    assert contrast([from_counts(50, 50)], [1.0]) is None


def test_totals_are_the_arrays() -> None:
    outcomes = np.random.default_rng(13).normal(2, 1, 50)
    sums = from_sums(50, float(outcomes.sum()), float((outcomes**2).sum()))
    assert (sums.mean, sums.variance) == pytest.approx((ArmTotals.of(outcomes).mean, outcomes.var(ddof=1)))


def test_the_interval_is_tightest_about_where_the_decision_falls() -> None:
    """In the unit of the outcome: width over the root of n, against what other tunings give at that n."""
    widths = {tuned: float(always_valid_width(1000, tuned)) for tuned in (100, 300, 1000, 3000, 10_000)}
    assert min(widths, key=lambda tuned: widths[tuned]) == 1000
    # n rho squared is 2 * 2.99573 + ln(6.99146) = 7.93616, so the root of 2 * 8.93616 / 7.93616 * 4.09072
    assert widths[1000] == pytest.approx(3.03521, abs=1e-5)


def test_a_decision_needs_traffic() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        always_valid_width(10, 0)


@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_a_look_every_hour_over_four_weeks_raises_at_most_5_false_alarms_in_100(rate: float) -> None:
    """Two arms without any difference, two users an hour each; `rate` of them give a thumb."""
    rng = np.random.default_rng(14)
    arrived = rng.poisson(2, (2, RUNS, WEEKS * HOURS))
    thumbs = rng.binomial(arrived, rate).cumsum(axis=-1)
    units = arrived.cumsum(axis=-1)
    means = thumbs / np.maximum(units, 1)
    errors = np.sqrt((means * (1 - means) / np.maximum(units, 1)).sum(axis=0))
    looked = (units.min(axis=0) >= FEWEST_UNITS) & (errors > 0)
    shift = np.abs(means[1] - means[0])
    width = always_valid_width(np.maximum(units.sum(axis=0), 1).astype(float), decision_at=1000)
    assert (looked & (shift > width * errors)).any(axis=1).mean() <= 0.05
    assert (looked & (shift > 1.96 * errors)).any(axis=1).mean() > 0.25


def test_what_came_before_takes_its_part_of_the_variance() -> None:
    rng = np.random.default_rng(15)
    before = rng.normal(5, 2, 4000)
    outcomes = 0.8 * before / 2 + rng.normal(0, 0.6, 4000)
    adjusted = cuped(outcomes, before)
    assert adjusted.mean() == pytest.approx(outcomes.mean())
    assert adjusted.var() / outcomes.var() == pytest.approx(1 - 0.8**2, abs=0.03)


def test_cuped_by_hand() -> None:
    # The slope is 2, the past's mean 2.
    assert cuped(np.array([1.0, 3.0, 5.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx([3.0, 3.0, 3.0])


def test_units_without_a_past_keep_their_outcome() -> None:
    outcomes = np.array([1.0, 3.0, 5.0, 9.0])
    assert cuped(outcomes, np.array([1.0, 2.0, 3.0, np.nan]))[3] == 9.0
    assert cuped(outcomes, np.full(4, np.nan)).tolist() == outcomes.tolist()
    assert cuped(outcomes, np.ones(4)).tolist() == outcomes.tolist()


def test_cuped_needs_a_value_for_each_unit() -> None:
    with pytest.raises(ValueError, match="as many values"):
        cuped(np.ones(3), np.ones(2))


def test_units_per_arm_is_the_textbook_figure() -> None:
    assert units_per_arm(1.0, 0.5) == 63
    assert units_per_arm(0.5, 0.05) == 1570
