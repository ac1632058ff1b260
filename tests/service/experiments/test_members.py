from dataclasses import replace

import pytest

from service.experiments.members import Member, Together, together
from service.outcomes import ExposedOutcome
from tests.service.experiments.small_experiment import answer, crossed_experiments

EXPERIMENTS = crossed_experiments()


def met(june: list[ExposedOutcome], spring: list[ExposedOutcome]) -> Together:
    return together(EXPERIMENTS, {"june": [replace(one, experiment="june") for one in june], "spring": spring})


def test_a_user_of_both_is_a_member_with_an_arm_of_each() -> None:
    found = met([answer("ann", "short", "up", 1)], [answer("ann", "new", "up", 1)])
    assert found.members == (Member("ann", ("short", "new"), 1, 1.0),)
    assert (found.crossed, found.left_out, found.days) == (0, 0, 0)


def test_who_met_only_one_of_them_is_left_out() -> None:
    found = met(
        [answer("ann", "short", "up", 1), answer("bob", "long", "up", 1)],
        [answer("ann", "new", "up", 1), answer("cy", "new", "up", 1)],
    )
    assert [one.name for one in found.members] == ["ann"]
    assert found.left_out == 2


def test_answers_from_before_they_ran_together_do_not_count() -> None:
    found = met(
        [answer("ann", "short", "down", 1), answer("ann", "short", "up", 5), answer("bob", "long", "up", 9)],
        [answer("ann", "new", "up", 5), answer("bob", "old", "up", 9), answer("ann", "new", "down", 12)],
    )
    assert {one.name: (one.answers, one.rating) for one in found.members} == {"ann": (1, 1.0), "bob": (1, 1.0)}
    assert found.days == 4


def test_an_answer_that_one_layer_could_not_change_counts_with_the_rest() -> None:
    """As where search found nothing: the adapter had no part in the answer of day 2."""
    june = [answer("ann", "short", "up", day) for day in (1, 2, 3)]
    june[1] = replace(june[1], rating="down")
    found = met(june, [answer("ann", "new", "up", day) for day in (1, 3)])
    assert (found.members[0].answers, found.members[0].rating) == pytest.approx((3, 1 / 3))


def test_who_was_seen_under_two_arms_of_one_counts_nowhere() -> None:
    found = met(
        [answer("ann", "short", "up", 1), answer("ann", "long", "up", 2), answer("bob", "long", "up", 3)],
        [answer("ann", "new", "up", 1), answer("ann", "new", "up", 2), answer("bob", "new", "up", 3)],
    )
    assert ([one.name for one in found.members], found.crossed, found.left_out) == (["bob"], 1, 0)


def test_an_arm_that_is_no_more_makes_no_member() -> None:
    found = met([answer("ann", "gone", "up", 1)], [answer("ann", "new", "up", 1)])
    assert (found.members, found.left_out) == ((), 1)
    assert met([], []) == Together((), 0, 0, 0.0)
