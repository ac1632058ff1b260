"""What an experiment has shown so far: arms, effects that may be looked at any time, and one sentence."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import fmean
from typing import Any

import numpy as np

from service.experiments.assign import Experiment
from service.experiments.sequential import (
    FEWEST_UNITS,
    SRM_ALARM,
    ArmTotals,
    FloatArray,
    absolute,
    always_valid,
    cuped,
    fixed_horizon,
    srm_p,
)
from service.experiments.verdict import Evidence, MetricEffect, Verdict, judged
from service.outcomes import ExposedOutcome, rating_value

ALPHA = 0.05
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


@dataclass(frozen=True, slots=True)
class ArmReport:
    """`means` are over units; empty without any."""

    name: str
    value: str
    share: float
    units: int
    answers: int
    rated: int
    means: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """`crossed` units were seen under two arms and count in none. `srm_p` under 0.001: believe no effect."""

    key: str
    factor: str
    arms: tuple[ArmReport, ...]
    crossed: int
    with_past: int
    srm_p: float
    days: float
    effects: tuple[MetricEffect, ...]
    verdicts: tuple[Verdict, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def report_of(
    experiment: Experiment, outcomes: Sequence[ExposedOutcome], before: Mapping[str, float]
) -> ExperimentReport:
    """From every answer under an arm, and each unit's mean rating from before (CUPED, Deng et al. 2013)."""
    arms = [arm.name for arm in experiment.arms]
    units, crossed = units_of(outcomes, arms)
    values = {metric: by_arm(units, arms, metric, before) for metric in METRICS}
    control, *others = arms
    alpha = ALPHA / len(others)
    effects = tuple(
        effect_of(arm, metric, values[metric][control], values[metric][arm], experiment.decision_at, alpha)
        for arm in others
        for metric in METRICS
    )
    counts = [len(values[GOAL][arm]) for arm in arms]
    days, ratio = days_of(outcomes), srm_p(counts, [arm.share for arm in experiment.arms])
    evidence = [evidence_of(arm, effects, values, control, days) for arm in others]
    return ExperimentReport(
        key=experiment.key,
        factor=experiment.factor,
        arms=tuple(arm_report(arm.name, arm.value, arm.share, units) for arm in experiment.arms),
        crossed=crossed,
        with_past=sum(unit.name in before for unit in units),
        srm_p=ratio,
        days=days,
        effects=effects,
        verdicts=tuple(judged(one, experiment, ratio < SRM_ALARM) for one in evidence),
    )


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


def effect_of(
    arm: str, metric: str, control: FloatArray, treated: FloatArray, decision_at: int, alpha: float
) -> MetricEffect:
    if min(len(control), len(treated)) < 2:
        return MetricEffect(arm, metric, None, None, None)
    found = absolute(ArmTotals.of(control), ArmTotals.of(treated))
    if found is None:
        return MetricEffect(arm, metric, float(treated.mean() - control.mean()), None, None)
    return MetricEffect(
        arm, metric, found.value, always_valid(found, decision_at, alpha), fixed_horizon(found, alpha)
    )


def find(effects: Sequence[MetricEffect], arm: str, metric: str) -> MetricEffect:
    return next(one for one in effects if (one.arm, one.metric) == (arm, metric))


def evidence_of(
    arm: str,
    effects: Sequence[MetricEffect],
    values: Mapping[str, Mapping[str, FloatArray]],
    control: str,
    days: float,
) -> Evidence:
    return Evidence(
        arm=arm,
        goal=find(effects, arm, GOAL),
        guardrails={metric: bound_of(effects, arm, metric, values[metric], control) for metric in GUARDRAILS},
        units=sum(map(len, values[GOAL].values())),
        days=days,
    )


def bound_of(
    effects: Sequence[MetricEffect], arm: str, metric: str, values: Mapping[str, FloatArray], control: str
) -> tuple[float, float] | None:
    """Between what the loss lies. Where no unit differs from another, 3 / n of them still may (Hanley 1983)."""
    effect = find(effects, arm, metric)
    if effect.always_valid:
        return effect.always_valid.low, effect.always_valid.high
    sizes = len(values[control]), len(values[arm])
    if effect.difference is None or min(sizes) < FEWEST_UNITS:
        return None
    reach = sum(3 / size for size in sizes)
    return effect.difference - reach, effect.difference + reach


def arm_report(name: str, value: str, share: float, units: Sequence[Unit]) -> ArmReport:
    own = [unit for unit in units if unit.arm == name]
    means = {metric: fmean(unit.values[metric] for unit in own) for metric in METRICS} if own else {}
    return ArmReport(name, value, share, len(own), sum(u.answers for u in own), sum(u.rated for u in own), means)


def days_of(outcomes: Sequence[ExposedOutcome]) -> float:
    """From the first answer to the last."""
    if not outcomes:
        return 0.0
    times = [datetime.fromisoformat(one.answered) for one in outcomes]
    return (max(times) - min(times)).total_seconds() / 86_400
