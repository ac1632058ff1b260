"""What each arm changes over all arms of the other experiments that ran with it: the main effects of the layers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.experiments.assign import Arm, Experiment
from service.experiments.effects import ALPHA, effect_of
from service.experiments.interactions import decision_at
from service.experiments.members import Member
from service.experiments.sequential import FloatArray, TestedInterval
from service.experiments.units import GOAL


@dataclass(frozen=True, slots=True)
class MainEffect:
    """The mean rating of an arm's users less that of the control's, over whatever else they met.

    From `units` users of both arms. `always_valid` may be read at any look, `fixed` once; None before there is
    enough to tell. All main effects of a report are right together (Bonferroni).
    """

    experiment: str
    arm: str
    units: int
    difference: float | None
    always_valid: TestedInterval | None
    fixed: TestedInterval | None


def main_effects_of(experiments: Sequence[Experiment], members: Sequence[Member]) -> tuple[MainEffect, ...]:
    """For each experiment, and each arm of it but the control."""
    compared = [(place, arm) for place, one in enumerate(experiments) for arm in one.arms[1:]]
    alpha, at = ALPHA / len(compared), decision_at(experiments)
    return tuple(main_effect_of(experiments[place], place, arm, members, at, alpha) for place, arm in compared)


def main_effect_of(
    experiment: Experiment, place: int, arm: Arm, members: Sequence[Member], at: int, alpha: float
) -> MainEffect:
    control, treated = (ratings_under(place, name, members) for name in (experiment.arms[0].name, arm.name))
    found = effect_of(arm.name, GOAL, control, treated, at, alpha)
    units = len(control) + len(treated)
    return MainEffect(experiment.key, arm.name, units, found.difference, found.always_valid, found.fixed)


def ratings_under(place: int, arm: str, members: Sequence[Member]) -> FloatArray:
    """The mean rating of each user who met the arm in the experiment at that place."""
    return np.array([one.rating for one in members if one.arms[place] == arm], dtype=float)
