"""Intervals and tests against scipy's on small cases, and against the truth in simulated studies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from service.evaluation.paired import (
    Differences,
    FloatArray,
    Interval,
    bca_interval,
    cautious,
    differences,
    holm,
    sign_flip_p,
    t_interval,
)

STUDIES = 2000
HAND = np.array([0.2, -0.1, 0.4, 0.0, 0.3])
SKEWED = np.random.default_rng(5).exponential(size=40)


def column(values: FloatArray) -> Differences:
    return differences(values[:, None])


def share_covered(intervals: FloatArray, truth: float) -> float:
    return float(((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])).mean())


def document_studies(documents: int, each: int) -> tuple[FloatArray, list[str]]:
    """Differences around 0.1 that the questions of one document share in half."""
    rng = np.random.default_rng(11)
    shared = np.repeat(rng.normal(size=(documents, STUDIES)), each, axis=0)
    names = [f"document-{number}" for number in range(documents) for _ in range(each)]
    return 0.1 + shared + rng.normal(size=shared.shape), names


def test_a_hand_worked_interval() -> None:
    # mean 0.16, sum of squared residuals 0.172, so s = 0.207364 and 2.776445 * s / sqrt(5) = 0.257476
    [interval] = t_interval(column(HAND))
    assert interval == pytest.approx([0.16 - 0.257476, 0.16 + 0.257476], abs=1e-5)


@pytest.mark.parametrize("values", [HAND, SKEWED])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_is_scipys(values: FloatArray, level: float) -> None:
    expected = stats.ttest_1samp(values, 0).confidence_interval(level)
    assert t_interval(column(values), level)[0] == pytest.approx([expected.low, expected.high])


def test_the_bootstrap_is_scipys_up_to_its_draws() -> None:
    expected = stats.bootstrap((SKEWED,), np.mean, n_resamples=20_000, method="BCa", rng=1).confidence_interval
    plain = t_interval(column(SKEWED))[0]
    found = bca_interval(column(SKEWED), resamples=20_000, seed=2)[0]
    assert found == pytest.approx([expected.low, expected.high], abs=0.02)
    assert found[1] - SKEWED.mean() > SKEWED.mean() - found[0]
    assert found[1] > plain[1]


def test_the_same_seed_gives_the_same_bootstrap() -> None:
    first, again, other = (bca_interval(column(SKEWED), seed=seed) for seed in (4, 4, 5))
    assert first.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize("value", [0.0, 1 / 3])
def test_differences_without_spread_have_an_interval_without_width(value: float) -> None:
    same = column(np.full(25, value))
    assert t_interval(same)[0] == pytest.approx([value, value])
    assert bca_interval(same)[0] == pytest.approx([value, value])


def test_questions_of_one_document_count_as_one_draw() -> None:
    values = np.array([[1.0], [1.0], [0.0], [0.0], [0.5], [0.5]])
    doubled = differences(values, ["a", "a", "b", "b", "c", "c"])
    single = differences(values[::2])
    assert doubled.mean == pytest.approx(single.mean)
    assert t_interval(doubled) == pytest.approx(t_interval(single))
    assert doubled.questions == 6 and doubled.groups == 3


def test_every_question_needs_its_document() -> None:
    with pytest.raises(ValueError, match="each of 5 questions, got 1"):
        differences(HAND[:, None], ["a"])


@pytest.mark.parametrize("values", [HAND, np.array([0.5, 1, -0.25, 0.75, 0, 0, 1, -1, 0.5])])
def test_exact_sign_flips_are_scipys(values: FloatArray) -> None:
    expected = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(column(values))[0] == pytest.approx(expected.pvalue)


def test_a_hand_worked_sign_flip() -> None:
    # Of the eight sign patterns of 1, 2, 3 only +++ and --- reach a sum of 6.
    assert sign_flip_p(column(np.array([1.0, 2.0, 3.0])))[0] == pytest.approx(0.25)


def test_random_flips_agree_with_student_and_are_never_zero() -> None:
    values = np.random.default_rng(8).normal(0.3, 1, 60)
    assert sign_flip_p(column(values))[0] == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.01)
    assert sign_flip_p(column(np.ones(60)), flips=999)[0] == pytest.approx(1 / 1000)
    assert sign_flip_p(column(np.zeros(60)))[0] == 1.0


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= after <= 1 for p, after in zip(p_values, adjusted, strict=True))
    assert [adjusted[index] for index in np.argsort(p_values)] == sorted(adjusted)


@pytest.mark.parametrize("questions", [20, 60])
def test_students_interval_covers_the_truth_in_95_of_100_studies(questions: int) -> None:
    values = np.random.default_rng(1).normal(0.1, 0.3, (questions, STUDIES))
    assert share_covered(t_interval(differences(values)), 0.1) == pytest.approx(0.95, abs=0.015)


def test_the_bootstrap_covers_the_truth_in_95_of_100_larger_studies() -> None:
    values = np.random.default_rng(2).exponential(1, (200, STUDIES))
    covered = share_covered(bca_interval(differences(values), resamples=1000), 1.0)
    assert covered == pytest.approx(0.95, abs=0.015)


def test_documents_make_the_interval_honest() -> None:
    values, names = document_studies(documents=40, each=5)
    assert share_covered(t_interval(differences(values, names)), 0.1) == pytest.approx(0.95, abs=0.015)
    assert share_covered(t_interval(differences(values)), 0.1) < 0.85


@pytest.mark.parametrize("questions", [10, 60])
def test_sign_flips_raise_at_most_5_false_alarms_in_100(questions: int) -> None:
    values = np.random.default_rng(3).standard_t(4, (questions, STUDIES))
    alarms = (sign_flip_p(differences(values), flips=1999) <= 0.05).mean()
    assert 0.03 <= alarms <= 0.05 + 2.33 * np.sqrt(0.05 * 0.95 / STUDIES)


def test_what_rounding_leaves_is_no_spread() -> None:
    sample = differences(np.full((20, 1), -0.2), [f"d{number}" for number in range(20)])
    narrow = Interval(-0.2, -0.2)
    seen = cautious(narrow, float(sample.spread[0]), 20)
    assert (seen.low, seen.high) == pytest.approx((-0.35, -0.05))
