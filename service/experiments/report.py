"""What an experiment has shown so far: arms, effects that may be looked at any time, and one sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from service.experiments.assign import Arm, Experiment
from service.experiments.effects import arm_alpha, effects_of, find
from service.experiments.guardrails import Guardrail, guardrails_of
from service.experiments.past import explained_by, spread_of
from service.experiments.sequential import SRM_ALARM, FloatArray, srm_p, units_per_arm
from service.experiments.units import GOAL, METRICS, Unit, by_arm, days_of, makers_of, units_of
from service.experiments.verdict import Evidence, MetricEffect, Verdict, judged
from service.outcomes import ExposedOutcome


@dataclass(frozen=True, slots=True)
class ArmReport:
    """`means` are over units; empty without any. `makers`: what stood in the layer -> its answers."""

    name: str
    value: str
    share: float
    units: int
    answers: int
    rated: int
    means: Mapping[str, float]
    makers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """`crossed` units were seen under two arms and count in none. `srm_p` under 0.001: believe no effect.

    `explained` is the part of the ratings' variance that earlier ratings took away, None without any. `one_look` is
    the number of units, all arms together, that would show the smallest effect at one look in 4 of 5 experiments.
    """

    key: str
    factor: str
    bucket_version: int
    arms: tuple[ArmReport, ...]
    crossed: int
    with_past: int
    explained: float | None
    srm_p: float
    days: float
    one_look: int | None
    effects: tuple[MetricEffect, ...]
    guardrails: tuple[Guardrail, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def units(self) -> int:
        return sum(arm.units for arm in self.arms)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def report_of(
    experiment: Experiment, outcomes: Sequence[ExposedOutcome], before: Mapping[str, float]
) -> ExperimentReport:
    """From every answer under an arm, and each unit's mean rating from before (CUPED, Deng et al. 2013)."""
    arms = [arm.name for arm in experiment.arms]
    units, crossed = units_of(outcomes, arms)
    values = {metric: by_arm(units, arms, metric, before) for metric in METRICS}
    effects = effects_of(experiment, values)
    guardrails = guardrails_of(experiment, effects, values)
    ratio = srm_p([len(values[GOAL][arm]) for arm in arms], [arm.share for arm in experiment.arms])
    days = days_of(outcomes)
    makers = {arm: makers_of(outcomes, arm) for arm in arms}
    evidence = [evidence_of(arm, effects, guardrails, len(units), days) for arm in arms[1:]]
    return ExperimentReport(
        key=experiment.key,
        factor=experiment.factor,
        bucket_version=experiment.bucket_version,
        arms=tuple(arm_report(arm, units, makers[arm.name]) for arm in experiment.arms),
        crossed=crossed,
        with_past=sum(unit.name in before for unit in units),
        explained=explained_by(units, arms, before),
        srm_p=ratio,
        days=days,
        one_look=one_look(experiment, values[GOAL]),
        effects=effects,
        guardrails=guardrails,
        verdicts=tuple(
            judged(one, experiment, ratio < SRM_ALARM, mixed(makers, arms[0], one.arm)) for one in evidence
        ),
    )


def mixed(makers: Mapping[str, Mapping[str, int]], *arms: str) -> list[str]:
    """Those of the arms whose layer did not hold one and the same all the time."""
    return [arm for arm in arms if len(makers[arm]) > 1]


def evidence_of(
    arm: str, effects: Sequence[MetricEffect], guardrails: Sequence[Guardrail], units: int, days: float
) -> Evidence:
    bounds = {one.metric: one.bound for one in guardrails if one.arm == arm}
    alike = {name for name in bounds if not find(effects, arm, name).always_valid}
    return Evidence(arm=arm, goal=find(effects, arm, GOAL), guardrails=bounds, units=units, days=days, alike=alike)


def one_look(experiment: Experiment, ratings: Mapping[str, FloatArray]) -> int | None:
    """Units of all (equal) arms that show the smallest effect, at a power of 80 %; None while ratings are alike."""
    spread = spread_of(ratings)
    if not spread:
        return None
    return len(experiment.arms) * units_per_arm(spread, experiment.smallest_effect, arm_alpha(experiment))


def arm_report(arm: Arm, units: Sequence[Unit], makers: Mapping[str, int]) -> ArmReport:
    own = [unit for unit in units if unit.arm == arm.name]
    return ArmReport(
        name=arm.name,
        value=arm.value,
        share=arm.share,
        units=len(own),
        answers=sum(unit.answers for unit in own),
        rated=sum(unit.rated for unit in own),
        means={metric: fmean(unit.values[metric] for unit in own) for metric in METRICS} if own else {},
        makers=makers,
    )
