"""What each layer brings: its effect on the goal, its guardrails and other changes, and what to do with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from service.evaluation.decision import Decision, Verdict, decide
from service.evaluation.design import Design
from service.evaluation.effects import Effect, Effects, estimate
from service.evaluation.grid import Change, Grid, Levels, change_of, mean_of_known, pairs_of, switched_on
from service.evaluation.guardrails import NonInferiority, non_inferiority
from service.evaluation.metrics.catalogue import METRICS
from service.plan import FACTORS, Factor


@dataclass(frozen=True, slots=True)
class LayerResult:
    """One level of a layer against its reference. `effect` is the main effect on the goal.

    `alone` is the effect with the other layers off, `last` with them on. Guardrails are measured with them on;
    those `unmeasured` have no question with a score on both sides, so that they say nothing here. `caution` says
    where the average over the other layers misleads, because with them on this layer does the opposite.
    """

    factor: Factor
    level: str
    against: str
    effect: Effect
    shapley: Effect
    alone: Effect
    last: Effect
    decision: Decision
    guardrails: Mapping[str, NonInferiority]
    unmeasured: tuple[str, ...]
    changes: Mapping[str, Change]
    caution: str | None

    @property
    def name(self) -> str:
        return layer_name(self.factor, self.level, self.against)


def layer_name(factor: Factor, level: str, against: str) -> str:
    if against != "off":
        return f"{factor} {level} instead of {against}"
    return factor if level == "on" else f"{factor} {level}"


def layer_results(design: Design, grid: Grid) -> Iterator[LayerResult]:
    for factor in FACTORS:
        for level in design.factors.others(factor):
            yield layer_result(design, grid, factor, level)


def layer_result(design: Design, grid: Grid, factor: Factor, level: str) -> LayerResult:
    levels = pairs_of(design.factors, factor, level)
    effects = goal_effects(design, grid, levels)
    against = design.factors.reference(factor)
    effect = effects.of("main")[factor]
    guardrails = dict(guarded(design, grid, factor, levels))
    measured = {name: one for name, one in guardrails.items() if one.questions}
    useful: float = getattr(design.goal.smallest_useful, factor)
    named = replace(effect, name=layer_name(factor, level, against))
    decision = decide(named, useful, f"the share of {METRICS[design.goal.metric].label}", measured)
    last = effects.of("last")[factor]
    return LayerResult(
        factor=factor,
        level=level,
        against=against,
        effect=effect,
        shapley=effects.of("shapley")[factor],
        alone=effects.of("alone")[factor],
        last=last,
        decision=decision,
        guardrails=measured,
        unmeasured=tuple(name for name in guardrails if name not in measured),
        changes={metric: layer_change(grid, metric, factor, levels) for metric in METRICS},
        caution=caution(named.name, decision.verdict, last),
    )


def caution(name: str, verdict: Verdict, last: Effect) -> str | None:
    """Main effects average over combinations that nobody would serve; where the fullest one disagrees, say so."""
    if last.interval is None or last.mean is None:
        return None
    if verdict == "drop" and last.interval.low > 0:
        return (
            f"But with the other layers on, {name} adds {last.mean:+.3f}: drop it together with them, or keep it."
        )
    if verdict == "keep" and last.interval.high < 0:
        return f"But with the other layers on, {name} takes away {-last.mean:.3f}: keep it only without them."
    return None


def goal_effects(design: Design, grid: Grid, levels: Levels) -> Effects:
    return estimate(grid.scores(design.goal.metric, levels), grid.groups, design.seed)


def guarded(design: Design, grid: Grid, factor: Factor, levels: Levels) -> Iterator[tuple[str, NonInferiority]]:
    """With the other layers on, as the layer would serve.

    Averaged over all combinations, an adapter that rightly refuses without sources would count as harm.
    """
    for one in design.guardrails:
        if factor in one.layers:
            change = switched_on(grid.scores(one.metric, levels), factor)[:, -1]
            metric = METRICS[one.metric]
            yield metric.label, non_inferiority(change, one.margin, metric.better, grid.groups, metric.unit)


def layer_change(grid: Grid, metric: str, factor: Factor, levels: Levels) -> Change:
    """Averaged over the other layers' combinations in which both sides have a score."""
    changes = mean_of_known(switched_on(grid.scores(metric, levels), factor))
    return change_of(changes, grid.groups, unit=METRICS[metric].unit)
