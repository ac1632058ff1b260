from dataclasses import replace

import pytest

from service.experiments.assign import Arm
from service.experiments.main_effects import main_effects_of
from service.experiments.members import Member
from tests.service.experiments.small_experiment import EXPERIMENT, crossed_experiments
from tests.service.experiments.test_interactions import ADDS_UP, TOGETHER, members

EXPERIMENTS = crossed_experiments()


def test_an_arm_is_compared_with_the_control_over_all_arms_of_the_other() -> None:
    prompt, adapter = main_effects_of(EXPERIMENTS, members(ADDS_UP))
    assert [(one.experiment, one.arm, one.units) for one in (prompt, adapter)] == [
        ("june", "short", 400),
        ("spring", "new", 400),
    ]
    assert (prompt.difference, adapter.difference) == pytest.approx((0.2, 0.4))


def test_it_is_the_mix_that_was_met_that_counts() -> None:
    """The adapter does +0.4 with `long` and +0.9 with `short`; three of four users met `long`."""
    apart = {arms: TOGETHER[arms] for arms in (("long", "old"), ("long", "new"))}
    short = {arms: TOGETHER[arms] for arms in (("short", "old"), ("short", "new"))}
    _, adapter = main_effects_of(EXPERIMENTS, [*members(apart, 300), *members(short, 100)])
    assert adapter.difference == pytest.approx(0.75 * 0.4 + 0.25 * 0.9)


def test_all_are_right_together_so_more_of_them_are_wider() -> None:
    several = replace(EXPERIMENT, arms=(*EXPERIMENT.arms, Arm("newer", "on", 0.0)))
    _, two = main_effects_of(EXPERIMENTS, members(ADDS_UP))
    _, three, newer = main_effects_of([EXPERIMENTS[0], several], members(ADDS_UP))
    assert two.always_valid and two.fixed and three.always_valid and three.fixed
    assert two.difference == three.difference
    assert two.fixed.low > three.fixed.low > three.always_valid.low
    assert (newer.arm, newer.units, newer.difference) == ("newer", 200, None)


@pytest.mark.parametrize("users", [0, 1, 14])
def test_before_thirty_users_an_arm_there_is_no_interval(users: int) -> None:
    for one in main_effects_of(EXPERIMENTS, members(ADDS_UP, users)):
        assert (one.units, one.always_valid, one.fixed) == (4 * users, None, None)


def test_where_all_say_the_same_there_is_no_interval() -> None:
    same = [Member(f"{a}{b}{n}", (a, b), 1, 1.0) for a, b in ADDS_UP for n in range(40)]
    assert {(one.difference, one.always_valid) for one in main_effects_of(EXPERIMENTS, same)} == {(0.0, None)}
