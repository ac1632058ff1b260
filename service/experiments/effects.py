"""What each arm changes against the control, metric by metric, with the interval for any look and that for one."""

from collections.abc import Mapping, Sequence

from service.experiments.assign import Experiment
from service.experiments.sequential import ArmTotals, FloatArray, always_valid, contrast, fixed_horizon
from service.experiments.units import METRICS
from service.experiments.verdict import MetricEffect

ALPHA = 0.05


def effects_of(experiment: Experiment, values: Mapping[str, Mapping[str, FloatArray]]) -> tuple[MetricEffect, ...]:
    """From metric -> arm -> one value a unit, every arm against the first; intervals as `arm_alpha` says."""
    control, *others = (arm.name for arm in experiment.arms)
    at, alpha = experiment.decision_at, arm_alpha(experiment)
    return tuple(
        effect_of(arm, metric, values[metric][control], values[metric][arm], at, alpha)
        for arm in others
        for metric in METRICS
    )


def arm_alpha(experiment: Experiment) -> float:
    """Shared out among the arms (Bonferroni), so that all intervals of a metric are right together."""
    return ALPHA / (len(experiment.arms) - 1)


def effect_of(
    arm: str, metric: str, control: FloatArray, treated: FloatArray, decision_at: int, alpha: float
) -> MetricEffect:
    if min(len(control), len(treated)) < 2:
        return MetricEffect(arm, metric, None, None, None)
    found = contrast([ArmTotals.of(treated), ArmTotals.of(control)], [1.0, -1.0])
    if found is None:
        return MetricEffect(arm, metric, float(treated.mean() - control.mean()), None, None)
    return MetricEffect(
        arm, metric, found.value, always_valid(found, decision_at, alpha), fixed_horizon(found, alpha)
    )


def find(effects: Sequence[MetricEffect], arm: str, metric: str) -> MetricEffect:
    return next(one for one in effects if (one.arm, one.metric) == (arm, metric))
