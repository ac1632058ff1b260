"""How an arm's interval went: the experiment replayed, as one would have seen it at the end of each day."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from service.experiments.assign import Experiment
from service.experiments.effects import arm_alpha, effect_of
from service.experiments.sequential import TestedInterval
from service.experiments.units import GOAL, by_arm, units_of
from service.outcomes import ExposedOutcome

MOST_LOOKS = 60


@dataclass(frozen=True, slots=True)
class Look:
    """The change of the rating `day` times 24 hours after the first answer; `units` of the arm and the control.

    None before there is enough to tell.
    """

    day: int
    units: int
    difference: float | None
    always_valid: TestedInterval | None


def course_of(
    experiment: Experiment, arm: str, outcomes: Sequence[ExposedOutcome], before: Mapping[str, float]
) -> tuple[Look, ...]:
    """A look a day, of more than MOST_LOOKS days every second, third, ...; the last is of all answers.

    Each look knows only the answers up to its day, but the latest word on each of them, whenever that was said.
    """
    days = days_since_first(outcomes)
    return tuple(
        look_at(end, experiment, arm, [one for one, day in zip(outcomes, days, strict=True) if day <= end], before)
        for end in ends_of(days)
    )


def look_at(
    day: int, experiment: Experiment, arm: str, outcomes: Sequence[ExposedOutcome], before: Mapping[str, float]
) -> Look:
    arms = [one.name for one in experiment.arms]
    units, _ = units_of(outcomes, arms)
    ratings = by_arm(units, arms, GOAL, before)
    control, treated = ratings[arms[0]], ratings[arm]
    found = effect_of(arm, GOAL, control, treated, experiment.decision_at, arm_alpha(experiment))
    return Look(day, len(control) + len(treated), found.difference, found.always_valid)


def days_since_first(outcomes: Sequence[ExposedOutcome]) -> list[float]:
    times = [datetime.fromisoformat(one.answered) for one in outcomes]
    return [(time - min(times)).total_seconds() / 86_400 for time in times] if times else []


def ends_of(days: Sequence[float]) -> list[int]:
    """The days at whose end someone looks."""
    if not days:
        return []
    last = max(1, math.ceil(max(days)))
    return [int(end) for end in np.arange(last, 0, -math.ceil(last / MOST_LOOKS))[::-1]]
