"""Agreement on cases worked by hand, its rules, and whether its interval covers what it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from service.evaluation.judge.agreement import (
    FEW_GROUPS,
    FIRST_CONSTANT,
    GRADED,
    LEAST_GROUPS,
    NO_SPREAD,
    NOTHING,
    ON_ONE,
    SECOND_CONSTANT,
    YES_NO,
    Estimate,
    Measure,
    cohen_kappa,
    estimate,
    kendall_tau,
)
from service.evaluation.paired import FloatArray

Pairs = st.lists(st.tuples(st.sampled_from([0.0, 1 / 3, 2 / 3, 1.0]), st.sampled_from([0.0, 0.5, 1.0])), min_size=2)


def array(*values: float) -> FloatArray:
    return np.array(values, dtype=float)


def test_kappa_by_hand() -> None:
    """20 both yes, 5 and 10 apart, 15 both no: 0.7 observed, 0.5 x 0.6 + 0.5 x 0.4 = 0.5 by chance."""
    first = array(*[1] * 25, *[0] * 25)
    second = array(*[1] * 20, *[0] * 5, *[1] * 10, *[0] * 15)
    assert cohen_kappa(first, second) == pytest.approx((0.7 - 0.5) / (1 - 0.5))


def test_kappa_of_three_steps_by_hand() -> None:
    """Equal in 4 of 6; shares 2/6 each on both sides: 1/3 by chance."""
    first, second = array(0, 0, 1, 1, 2, 2), array(0, 0, 1, 2, 2, 1)
    assert cohen_kappa(first, second) == pytest.approx((4 / 6 - 1 / 3) / (1 - 1 / 3))


def test_tau_by_hand() -> None:
    """Four answers, six pairs: (1,2) in the other order, five in the same: 4/6 without ties."""
    assert kendall_tau(array(1, 2, 3, 4), array(2, 1, 3, 4)) == pytest.approx(4 / 6)


def test_tau_with_ties_by_hand() -> None:
    """Pairs: 4 in the same order, none in the other; 2 tied in the first, 2 in the second: 4 / sqrt(4 x 4)."""
    assert kendall_tau(array(0, 0, 1, 1), array(0, 0, 1, 1)) == pytest.approx(1.0)
    # Of 6 pairs: 3 in the same order, 0 in the other; 2 tied in the first, 3 in the second: 3 / sqrt(4 x 3).
    assert kendall_tau(array(0, 0, 1, 1), array(0, 0, 0, 1)) == pytest.approx(2 / np.sqrt(4 * 3))


@given(Pairs)
def test_it_is_between_its_bounds_and_the_same_from_either_side(pairs: list[tuple[float, float]]) -> None:
    first, second = (array(*side) for side in zip(*pairs, strict=True))
    names = [str(number) for number in range(len(pairs))]
    for measure in (GRADED, YES_NO):
        one, other = estimate(measure, first, second, names), estimate(measure, second, first, names)
        if one.value is None:
            assert one.missing and other.value is None
            continue
        assert -1 - 1e-9 <= one.value <= 1 + 1e-9
        assert other.value == pytest.approx(one.value)
        assert (one.interval is None) == (one.missing is not None)
        if one.interval:
            assert -1 <= one.interval.low <= one.value + 1e-9 and one.value - 1e-9 <= one.interval.high <= 1


@given(Pairs)
def test_what_is_equal_agrees_fully(pairs: list[tuple[float, float]]) -> None:
    first = array(*(one for one, _ in pairs))
    for measure in (GRADED, YES_NO):
        found = estimate(measure, first, first, ["d"] * len(first))
        assert found.value is None or found.value == pytest.approx(1.0)


def varied(answers: int) -> tuple[FloatArray, FloatArray]:
    generator = np.random.default_rng(1)
    judged = generator.integers(0, 2, answers).astype(float)
    return judged, np.where(generator.random(answers) < 0.8, judged, 1 - judged)


@pytest.mark.parametrize("measure", [GRADED, YES_NO])
def test_a_missing_value_says_why(measure: Measure) -> None:
    judged, scored = varied(40)
    names = [f"d{number}" for number in range(40)]
    ones = np.ones(40)
    lone = np.zeros(40)
    lone[0] = 1
    assert estimate(measure, array(), array(), []).missing == NOTHING
    assert estimate(measure, ones, scored, names).missing == FIRST_CONSTANT
    assert estimate(measure, judged, ones, names).missing == SECOND_CONSTANT
    few = estimate(measure, judged, scored, ["one", "two"] * 20)
    assert few.value is not None and few.interval is None and few.missing == FEW_GROUPS.format(LEAST_GROUPS)
    assert estimate(measure, lone, scored, names).missing == ON_ONE
    assert estimate(measure, judged, judged, names).missing == NO_SPREAD


def test_answers_about_one_document_count_as_one_draw() -> None:
    judged, scored = varied(30)
    names = [f"d{number}" for number in range(30)]
    once = estimate(YES_NO, judged, scored, names)
    often = estimate(YES_NO, np.tile(judged, 8), np.tile(scored, 8), names * 8)
    assert once.interval is not None and often.interval is not None
    assert (often.answers, often.groups) == (240, 30)
    assert often.interval.low == pytest.approx(once.interval.low)


def study(generator: np.random.Generator, groups: int, size: int = 4) -> tuple[FloatArray, FloatArray, list[str]]:
    """Answers about one document are alike in how hard they are and in how well the judge sees it."""
    hard = np.repeat(generator.normal(0, 0.7, groups), size)
    blur = np.repeat(generator.normal(0, 0.5, groups), size)
    truth = hard + generator.normal(0, 1, groups * size)
    seen = truth + blur + generator.normal(0, 0.7, groups * size)
    names = [str(number) for number in np.repeat(np.arange(groups), size)]
    return np.digitize(seen, [-0.8, 0, 0.8]).astype(float), np.digitize(truth, [-0.4, 0.6]).astype(float), names


def yes_no(judged: FloatArray, scored: FloatArray) -> tuple[FloatArray, FloatArray]:
    return (judged > 1).astype(float), (scored > 0).astype(float)


@pytest.mark.parametrize(
    ("measure", "groups", "studies"), [(GRADED, 20, 100), (YES_NO, 20, 300), (YES_NO, 60, 300)]
)
def test_the_interval_covers_what_it_says(measure: Measure, groups: int, studies: int) -> None:
    """95 in a hundred; of so many studies at least 90 in a hundred, which chance hardly misses."""
    generator = np.random.default_rng(7)
    judged, scored, _ = study(generator, 20_000)
    truth = kendalltau(judged, scored).statistic if measure == GRADED else cohen_kappa(*yes_no(judged, scored))
    covered = sum(contains(one(measure, study(generator, groups)), truth) for _ in range(studies))
    assert 0.9 * studies <= covered < studies


def one(measure: Measure, made: tuple[FloatArray, FloatArray, list[str]]) -> Estimate:
    judged, scored, names = made
    sides = (judged, scored) if measure == GRADED else yes_no(judged, scored)
    return estimate(measure, *sides, names)


def contains(found: Estimate, truth: float) -> bool:
    return found.interval is not None and found.interval.low <= truth <= found.interval.high
