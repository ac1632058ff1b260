"""A judge beside the metrics that need none: agreement with tables, itself with the order turned, and length."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.evaluation.grid import groups_of
from service.evaluation.judge.agreement import GRADED, YES_NO, Estimate, Measure, estimate
from service.evaluation.judge.aspects import ASPECTS, Aspect
from service.evaluation.judge.opinions import Opinion
from service.evaluation.paired import FloatArray

# A metric, whose steps stand beside it in the table, and how their agreement is measured.
COMPARED: tuple[tuple[str, Aspect, Measure], ...] = (
    ("right", "right", GRADED),
    ("k_precision", "supported", GRADED),
    ("refused", "refuses", YES_NO),
)
# Of a judge whose verdict hangs on the order of the choices.
UNSTEADY = "changes with the order"
COLUMNS: Mapping[Measure, tuple[str, ...]] = {GRADED: ("under 0.5", "0.5 to 1", "1"), YES_NO: ("no", "yes")}


@dataclass(frozen=True, slots=True)
class Pair:
    """One answer that has both: the judge's value for each order, and the metric's."""

    opinion: Opinion
    orders: tuple[float, float]
    scored: float

    @property
    def judged(self) -> float:
        return sum(self.orders) / len(self.orders)

    @property
    def steady(self) -> bool:
        return self.orders[0] == self.orders[1]


@dataclass(frozen=True, slots=True)
class Row:
    """One verdict: how many answers have it, by the metric's value."""

    verdict: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """A metric and the judge. `unjudged` counts, by reason, the answers that have the metric and no verdict.

    A yes or no that changes with the order of the choices is none: it is in the table and not in the estimate.
    """

    metric: str
    estimate: Estimate
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    unjudged: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Steadiness:
    """The judge against itself with the choices turned round; `same` is the share with equal verdicts."""

    estimate: Estimate
    same: float | None


@dataclass(frozen=True, slots=True)
class Length:
    """How verdicts go with an answer's length in words: a judge's beside the metric's, over the same answers."""

    judged: Estimate
    scored: Estimate


def pairs(opinions: Sequence[Opinion], metric: str) -> list[Pair]:
    found = ((one, one.values(metric), one.answer.scores.get(metric)) for one in opinions)
    return [Pair(one, values, score) for one, values, score in found if values is not None and score is not None]


def compared(opinions: Sequence[Opinion]) -> Iterator[Compared]:
    for metric, aspect, measure in COMPARED:
        both = pairs(opinions, metric)
        counted = [pair for pair in both if pair.steady] if measure == YES_NO else both
        yield Compared(
            metric=metric,
            estimate=estimate(measure, judged_of(counted), scored_of(counted), groups(counted)),
            columns=COLUMNS[measure],
            rows=tuple(table(both, aspect, measure)),
            unjudged=unjudged(opinions, metric),
        )


def table(both: Sequence[Pair], aspect: Aspect, measure: Measure) -> Iterator[Row]:
    """From the best verdict to the worst; a row for each step, whether it was given or not."""
    counted = Counter((verdict(pair, aspect), column(pair.scored, measure)) for pair in both)
    for label in (*(step.label for step in ASPECTS[aspect]), UNSTEADY):
        yield Row(label, tuple(counted[label, name] for name in COLUMNS[measure]))


def verdict(pair: Pair, aspect: Aspect) -> str:
    if not pair.steady:
        return UNSTEADY
    return next(step.label for step in ASPECTS[aspect] if step.value == pair.orders[0])


def column(scored: float, measure: Measure) -> str:
    names = COLUMNS[measure]
    if scored >= 1:
        return names[-1]
    return names[0] if scored < 0.5 else names[1]


def unjudged(opinions: Sequence[Opinion], metric: str) -> dict[str, int]:
    reasons = (one.labels(metric) for one in opinions if one.answer.scores.get(metric) is not None)
    return dict(Counter(reason for reason in reasons if isinstance(reason, str)))


def steadiness(opinions: Sequence[Opinion]) -> Steadiness:
    both = pairs(opinions, "right")
    first, second = (np.array([pair.orders[at] for pair in both]) for at in (0, 1))
    same = float(np.mean(first == second)) if both else None
    return Steadiness(estimate(YES_NO, first, second, groups(both)), same)


def length(opinions: Sequence[Opinion]) -> Length:
    """Of answers that a model gave and that refuse nothing: the others have no length that says anything."""
    found = [(pair, words) for pair in pairs(opinions, "right") if (words := words_of(pair)) is not None]
    both, sizes = [pair for pair, _ in found], np.array([words for _, words in found])
    names = groups(both)
    return Length(estimate(GRADED, judged_of(both), sizes, names), estimate(GRADED, scored_of(both), sizes, names))


def words_of(pair: Pair) -> float | None:
    return pair.opinion.answer.scores.get("words")


def judged_of(both: Sequence[Pair]) -> FloatArray:
    return np.array([pair.judged for pair in both], dtype=float)


def scored_of(both: Sequence[Pair]) -> FloatArray:
    return np.array([pair.scored for pair in both], dtype=float)


def groups(both: Sequence[Pair]) -> list[str]:
    return groups_of(pair.opinion.question for pair in both)
