from dataclasses import replace
from typing import TypeVar

import pytest

from service.experiments.assign import Arm, Experiment
from service.experiments.interactions import Interaction, interactions_of
from service.experiments.members import Member
from tests.service.experiments.small_experiment import EXPERIMENT, crossed_experiments

PROMPT, ADAPTER = crossed_experiments()
RETRIEVAL = Experiment("may", "retrieval", "r", 1.0, (Arm("none", "off", 0.5), Arm("hybrid", "on", 0.5)))
Arms = TypeVar("Arms", bound=tuple[str, ...])


def members(liked: dict[Arms, int], users: int = 100) -> list[Member]:
    """So many users in each combination, so many of them for it and the others against."""
    return [
        Member(f"{arms}{number}", arms, 1, 1.0 if number < count * users // 100 else -1.0)
        for arms, count in liked.items()
        for number in range(users)
    ]


def only(liked: dict[Arms, int], users: int = 100, mismatch: bool = False) -> Interaction:
    (found,) = interactions_of([PROMPT, ADAPTER], members(liked, users), mismatch, ())
    return found


ADDS_UP = {("long", "old"): 40, ("short", "old"): 50, ("long", "new"): 60, ("short", "new"): 70}
TOGETHER = {**ADDS_UP, ("short", "new"): 95}
APART = {**ADDS_UP, ("short", "new"): 45}


def test_effects_that_add_up_do_not_interact() -> None:
    found = only(ADDS_UP)
    assert (found.units, found.fewest) == (400, 100)
    assert found.difference == pytest.approx(0, abs=1e-12)
    assert found.sentence.startswith(
        "The adapter's effect does not depend on the prompt, as far as 400 users tell:"
    )
    assert "may still hide one of 0.05" in found.sentence


def test_with_enough_users_it_is_nothing_for_sure() -> None:
    assert "below 0.05 for sure" in only(ADDS_UP, users=60_000).sentence


@pytest.mark.parametrize(("liked", "way", "difference"), [(TOGETHER, "larger", 0.5), (APART, "smaller", -0.5)])
def test_an_interaction_says_which_way(liked: dict[tuple[str, ...], int], way: str, difference: float) -> None:
    found = only(liked, users=200)
    assert found.difference == pytest.approx(difference)
    assert found.always_valid and found.fixed and found.always_valid.low < found.fixed.low
    said = (
        f"The adapter's effect depends on the prompt: it is {way} with short than with long, by {difference:+.3f} ("
    )
    assert found.sentence.startswith(said)


def test_sizes_that_do_not_fit_are_believed_in_nothing() -> None:
    assert only(TOGETHER, mismatch=True).sentence.startswith("Believe nothing")


@pytest.mark.parametrize("users", [0, 1, 29])
def test_before_thirty_users_a_combination_nobody_can_tell(users: int) -> None:
    found = only(TOGETHER, users)
    assert (found.difference, found.always_valid, found.fixed, found.fewest) == (None, None, None, users)
    assert f"the smallest has {users}." in found.sentence


def test_every_pair_has_one_over_all_arms_of_the_others() -> None:
    crossed = {(*arms, third): count for arms, count in TOGETHER.items() for third in ("none", "hybrid")}
    found = interactions_of([PROMPT, ADAPTER, RETRIEVAL], members(crossed), False, ())
    assert [one.experiments for one in found] == [("june", "spring"), ("june", "may"), ("spring", "may")]
    assert [one.units for one in found] == [800] * 3
    assert found[0].difference == pytest.approx(0.5)
    assert found[1].difference == pytest.approx(0)


def test_of_several_arms_each_is_compared_with_the_control() -> None:
    several = replace(EXPERIMENT, arms=(*EXPERIMENT.arms, Arm("newer", "on", 0.0)))
    liked = {**TOGETHER, ("long", "newer"): 50, ("short", "newer"): 60}
    first, second = interactions_of([PROMPT, several], members(liked), False, ())
    assert (first.arms, second.arms) == (("short", "new"), ("short", "newer"))
    assert second.sentence.startswith("The adapter newer's effect does not depend on the prompt")
