"""The users of an experiment: each counts once, with the mean of each metric over all answers."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean

import numpy as np

from service.experiments.sequential import FloatArray, cuped
from service.outcomes import ExposedOutcome, rating_value

GOAL = "rating"
GUARDRAILS = ("escalated", "follow_up_needed")
METRICS = (GOAL, *GUARDRAILS, "latency_ms")


@dataclass(frozen=True, slots=True)
class Unit:
    """A user: the arm, and the mean of each metric over all answers under it."""

    name: str
    arm: str
    answers: int
    rated: int
    values: Mapping[str, float]


def units_of(outcomes: Sequence[ExposedOutcome], arms: Sequence[str]) -> tuple[list[Unit], int]:
    """Each unit once; how many were under two arms. Answers under an arm that is no more are left out."""
    made: dict[str, list[ExposedOutcome]] = defaultdict(list)
    for one in outcomes:
        if one.arm in arms:
            made[one.unit].append(one)
    single = {unit: answers for unit, answers in made.items() if len({one.arm for one in answers}) == 1}
    return [unit_of(unit, answers) for unit, answers in single.items()], len(made) - len(single)


def unit_of(name: str, answers: Sequence[ExposedOutcome]) -> Unit:
    values = {
        GOAL: fmean(rating_value(one.rating) for one in answers),
        "escalated": fmean(one.escalated for one in answers),
        "follow_up_needed": fmean(one.follow_up_needed for one in answers),
        "latency_ms": fmean(one.latency_ms for one in answers),
    }
    return Unit(name, answers[0].arm, len(answers), sum(one.rating is not None for one in answers), values)


def by_arm(
    units: Sequence[Unit], arms: Sequence[str], metric: str, before: Mapping[str, float]
) -> dict[str, FloatArray]:
    """Arm -> one value a unit; ratings less what the unit's earlier ones foretell."""
    values = np.array([unit.values[metric] for unit in units], dtype=float)
    if metric == GOAL:
        values = cuped(values, np.array([before.get(unit.name, np.nan) for unit in units], dtype=float))
    of_arm = np.array([unit.arm for unit in units])
    return {arm: values[of_arm == arm] if len(units) else values for arm in arms}


def makers_of(outcomes: Sequence[ExposedOutcome], arm: str) -> dict[str, int]:
    """What stood in the layer under the arm -> its answers, the oldest first."""
    return dict(Counter(one.made_by for one in outcomes if one.arm == arm and one.made_by))


def days_of(outcomes: Sequence[ExposedOutcome]) -> float:
    """From the first answer to the last."""
    if not outcomes:
        return 0.0
    times = [datetime.fromisoformat(one.answered) for one in outcomes]
    return (max(times) - min(times)).total_seconds() / 86_400
