"""What a judge thinks of each answer, out of its judgements: one value where it says the same either way round."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from service.evaluation.design import Cell
from service.evaluation.judge.aspects import ORDERS, Aspect, Order, value_of
from service.evaluation.judge.judgements import Judgement, answer_sha256
from service.evaluation.questions import PackQuestion
from service.evaluation.score import NOT_FOR_IT
from service.evaluation.store import Answer, Run

HALF = "one of the two orders has no judgement yet"

Both = Mapping[Order, Judgement]
Place = tuple[Cell, str]


@dataclass(frozen=True, slots=True)
class Opinion:
    """One answer and what a judge said of it, by the order of the choices. `right` of a question that nothing
    answers is whether it refuses."""

    question: PackQuestion
    answer: Answer
    both: Both

    def aspect(self, metric: str) -> Aspect:
        """Which aspect is compared with a metric."""
        if metric == "k_precision":
            return "supported"
        return "right" if metric == "right" and self.question.answerable else "refuses"

    def labels(self, metric: str) -> tuple[str, str] | str:
        """A step's label for each order; or why there is none."""
        aspect = self.aspect(metric)
        if aspect == "right" and not self.question.answer:
            return NOT_FOR_IT
        if len(self.both) < len(ORDERS):
            return HALF
        first, second = (self.both[order] for order in ORDERS)
        reason = first.missing.get(aspect) or second.missing.get(aspect)
        return reason or (first.verdicts[aspect], second.verdicts[aspect])

    def values(self, metric: str) -> tuple[float, float] | None:
        """From 0 to 1, one for each order."""
        found = self.labels(metric)
        if isinstance(found, str):
            return None
        first, second = (value_of(self.aspect(metric), label) for label in found)
        return first, second

    def value(self, metric: str) -> float | None:
        """The mean of both orders."""
        values = self.values(metric)
        return None if values is None else sum(values) / len(values)


def judges(run: Run) -> list[tuple[str, str]]:
    """Model and prompt hash of each judge that was asked, in the order in which they were."""
    return list(dict.fromkeys(one.judge for one in run.judgements))


def opinions(run: Run, judgements: Sequence[Judgement]) -> list[Opinion]:
    """Of one judge; a judgement of another text than the answer that is kept now counts for nothing."""
    by_place = grouped(judgements)
    questions = {question.id: question for question in run.questions}
    found = []
    for answer in run.answers:
        kept = by_place.get((answer.cell, answer.question), [])
        own = answer_sha256(answer.text) if kept else ""
        both = {one.order: one for one in kept if one.answer_sha256 == own}
        if both:
            found.append(Opinion(questions[answer.question], answer, both))
    return found


def grouped(judgements: Iterable[Judgement]) -> dict[Place, list[Judgement]]:
    found: dict[Place, list[Judgement]] = {}
    for one in judgements:
        found.setdefault((one.cell, one.question), []).append(one)
    return found
