"""What an arm must not make worse: between which bounds the loss lies, and whether it stays within the margin."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.experiments.assign import Experiment
from service.experiments.effects import find
from service.experiments.sequential import FEWEST_UNITS, FloatArray
from service.experiments.units import GUARDRAILS
from service.experiments.verdict import Bound, MetricEffect, State, state_of


@dataclass(frozen=True, slots=True)
class Guardrail:
    """The share of a unit's answers under the arm less that under the control; more is worse.

    `bound` is None before there is enough to tell, `margin` the most that may be lost.
    """

    arm: str
    metric: str
    difference: float | None
    bound: Bound | None
    margin: float
    state: State


def guardrails_of(
    experiment: Experiment, effects: tuple[MetricEffect, ...], values: Mapping[str, Mapping[str, FloatArray]]
) -> tuple[Guardrail, ...]:
    control, *others = (arm.name for arm in experiment.arms)
    return tuple(
        guardrail_of(
            find(effects, arm, metric),
            len(values[metric][control]),
            len(values[metric][arm]),
            experiment.smallest_effect,
        )
        for arm in others
        for metric in GUARDRAILS
    )


def guardrail_of(effect: MetricEffect, control: int, treated: int, margin: float) -> Guardrail:
    """From the effect on it, and the numbers of units in the two arms."""
    bound = bound_of(effect, control, treated)
    return Guardrail(effect.arm, effect.metric, effect.difference, bound, margin, state_of(bound, margin))


def bound_of(effect: MetricEffect, control: int, treated: int) -> Bound | None:
    """Between what the loss lies. Where no unit differs from another, 3 / n of them still may (Hanley 1983)."""
    if effect.always_valid:
        return effect.always_valid.low, effect.always_valid.high
    if effect.difference is None or min(control, treated) < FEWEST_UNITS:
        return None
    reach = 3 / control + 3 / treated
    return effect.difference - reach, effect.difference + reach
