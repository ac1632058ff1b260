"""Non-inferiority by hand, against scipy's, and in simulated studies on the edge of the margin."""

import numpy as np
import pytest
from scipy import stats

from service.evaluation.guardrails import non_inferiority
from service.evaluation.paired import Interval

CHANGE = np.random.default_rng(4).normal(-0.01, 0.1, 80)


def test_it_is_students_test_shifted_by_the_margin() -> None:
    found = non_inferiority(CHANGE, 0.05)
    expected = stats.ttest_1samp(CHANGE, -0.05, alternative="greater")
    assert found.p == pytest.approx(expected.pvalue)
    assert found.holds and expected.pvalue < 0.025
    assert found.interval is not None and found.interval.low > -0.05


def test_where_lower_is_better_a_rise_is_the_loss() -> None:
    lower, higher = non_inferiority(-CHANGE, 0.05, better="lower"), non_inferiority(CHANGE, 0.05)
    assert (lower.holds, lower.harmed) == (higher.holds, higher.harmed)
    assert lower.p == pytest.approx(higher.p)
    assert lower.change == pytest.approx(-CHANGE.mean())
    assert non_inferiority(CHANGE + 1, 0.05, better="lower").harmed


def test_not_shown_is_not_the_same_as_harmed() -> None:
    unsure = non_inferiority(np.array([-0.3, 0.2, 0.1]), 0.05)
    harmed = non_inferiority(CHANGE - 0.5, 0.05)
    assert (unsure.holds, unsure.harmed) == (False, False)
    assert (harmed.holds, harmed.harmed) == (False, True)


def test_a_missing_pair_is_left_out() -> None:
    gaps = np.append(CHANGE, [np.nan, np.nan])
    assert non_inferiority(gaps, 0.05) == non_inferiority(CHANGE, 0.05)
    assert non_inferiority(gaps, 0.05, groups=[str(n) for n in range(82)]).questions == 80


def test_ten_like_questions_on_one_document_are_one_draw() -> None:
    alone = non_inferiority(CHANGE[:8], 0.05, unit="grade")
    documents = ["left out", *(f"{number}.md" for number in range(8) for _ in range(10))]
    tenfold = non_inferiority(np.append(np.nan, np.repeat(CHANGE[:8], 10)), 0.05, groups=documents, unit="grade")
    assert tenfold.questions == 80
    assert alone.interval is not None and tenfold.interval is not None
    assert tenfold.interval.low == pytest.approx(alone.interval.low)
    assert tenfold.interval.high == pytest.approx(alone.interval.high)


@pytest.mark.parametrize(("change", "mean"), [([np.nan], None), ([0.1], 0.1)])
def test_too_few_pairs_show_nothing(change: list[float], mean: float | None) -> None:
    found = non_inferiority(np.array(change), 0.05)
    assert (found.change, found.interval, found.p, found.holds) == (mean, None, None, None)


@pytest.mark.parametrize(("change", "holds", "p"), [(0.0, True, 0.0), (-0.05, False, 1.0), (-0.1, False, 1.0)])
def test_changes_without_spread_are_certain_where_any_size_could_have_come(
    change: float, holds: bool, p: float
) -> None:
    found = non_inferiority(np.full(16, change), 0.05, unit="grade")
    assert (found.holds, found.p) == (holds, p)


@pytest.mark.parametrize(("questions", "holds"), [(2, False), (30, False), (31, True)])
def test_a_share_that_never_changed_holds_from_three_over_its_margin_on(questions: int, holds: bool) -> None:
    found = non_inferiority(np.zeros(questions), 0.1)
    assert found.interval == Interval(-3 / questions, 3 / questions)
    assert (found.holds, found.harmed, found.p) == (holds, False, None)


def test_two_refusals_lost_are_no_proof_of_harm() -> None:
    assert not non_inferiority(np.full(2, -1.0), 0.1).harmed
    assert non_inferiority(np.full(20, -1.0), 0.1).harmed


@pytest.mark.parametrize("margin", [0.0, -0.1, float("nan")])
def test_a_margin_is_above_zero(margin: float) -> None:
    with pytest.raises(ValueError, match="margin above 0"):
        non_inferiority(CHANGE, margin)


def test_a_metric_at_its_margin_passes_in_at_most_25_of_1000_studies() -> None:
    studies = np.random.default_rng(6).normal(-0.05, 0.1, (2000, 40))
    passed = np.mean([bool(non_inferiority(one, 0.05).holds) for one in studies])
    assert 0.01 < passed <= 0.025 + 2.33 * np.sqrt(0.025 * 0.975 / 2000)
