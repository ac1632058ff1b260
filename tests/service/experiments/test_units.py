import numpy as np
import pytest

from service.experiments.units import Unit, by_arm, days_of, units_of
from service.outcomes import ExposedOutcome
from tests.service.experiments.small_experiment import answer

ARMS = ["old", "new"]


def units(*outcomes: ExposedOutcome) -> dict[str, Unit]:
    return {unit.name: unit for unit in units_of(outcomes, ARMS)[0]}


def test_a_user_counts_once_with_the_mean_of_all_answers() -> None:
    ann = units(
        answer("ann", "old", "up", 1),
        answer("ann", "old", "down", 2),
        answer("ann", "old", None, 3, escalated=True),
    )["ann"]
    assert (ann.arm, ann.answers, ann.rated) == ("old", 3, 2)
    assert ann.values["rating"] == 0
    assert ann.values["escalated"] == pytest.approx(1 / 3)
    assert ann.values["latency_ms"] == 200


def test_who_was_seen_under_two_arms_counts_in_none() -> None:
    found, crossed = units_of(
        [answer("ann", "old", "up", 1), answer("ann", "new", "up", 2), answer("bob", "new", "up", 3)], ARMS
    )
    assert ([unit.name for unit in found], crossed) == (["bob"], 1)


def test_answers_under_an_arm_that_is_no_more_are_left_out() -> None:
    assert units_of([answer("ann", "gone", "up")], ARMS) == ([], 0)


def test_ratings_are_less_what_earlier_ones_foretell() -> None:
    made = [answer(name, "old" if name < "c" else "new", "up" if name in "ac" else "down") for name in "abcd"]
    before = {"a": 1.0, "b": -1.0, "c": 1.0, "d": -1.0}
    found, _ = units_of(made, ARMS)
    assert by_arm(found, ARMS, "rating", {})["old"].tolist() == [1, -1]
    assert np.abs(by_arm(found, ARMS, "rating", before)["old"]).max() == pytest.approx(0)
    assert by_arm(found, ARMS, "escalated", before)["new"].tolist() == [0, 0]


def test_without_users_every_arm_is_empty() -> None:
    assert {arm: len(values) for arm, values in by_arm([], ARMS, "rating", {}).items()} == {"old": 0, "new": 0}


def test_days_are_from_the_first_answer_to_the_last() -> None:
    assert days_of([answer("ann", "old", day=3), answer("bob", "old", day=1)]) == 2
    assert days_of([]) == 0
