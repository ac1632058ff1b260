"""The scores of a run as arrays over questions and combinations, and changes between them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from service.evaluation.design import Cell, Factors
from service.evaluation.metrics.catalogue import Unit
from service.evaluation.paired import LEVEL, FloatArray, Interval, cautious, differences, t_interval, varied
from service.evaluation.questions import PackQuestion
from service.evaluation.store import Answer, Run
from service.plan import FACTORS, Factor

Levels = Mapping[Factor, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Change:
    """The mean of paired differences with Student's interval, 95 % unless said otherwise.

    None where too few questions have both sides. Where all changed `alike` the interval is the rule of three's, and
    None where that cannot be told: of no width it would say that others cannot differ.
    """

    mean: float | None
    interval: Interval | None
    questions: int
    alike: bool = False


@dataclass(frozen=True)
class Grid:
    """The questions that were asked in every combination, and all their answers."""

    questions: tuple[PackQuestion, ...]
    answers: Mapping[tuple[Cell, str], Answer]

    @property
    def groups(self) -> list[str]:
        return groups_of(self.questions)

    def scores(self, metric: str, levels: Levels) -> FloatArray:
        """(questions, 2, 2, 2) over prompt, retrieval, adapter; NaN where an answer has no such score."""
        values = np.full((len(self.questions), 2, 2, 2), np.nan)
        for index in np.ndindex(2, 2, 2):
            values[(slice(None), *index)] = self.column(metric, cell_at(levels, index))
        return values

    def column(self, metric: str, cell: Cell) -> FloatArray:
        """One combination's scores, (questions,); a run of an earlier version knows fewer metrics."""
        found = [self.answers[cell, question.id].scores.get(metric) for question in self.questions]
        return np.array([np.nan if value is None else value for value in found], dtype=float)


def groups_of(questions: Iterable[PackQuestion]) -> list[str]:
    """Questions on one document rise and fall together; one that no document answers stands for itself."""
    return [", ".join(question.documents) or question.id for question in questions]


def grid_of(run: Run, cells: list[Cell]) -> Grid:
    answers = {(answer.cell, answer.question): answer for answer in run.answers}
    asked = (one for one in run.questions if all((cell, one.id) in answers for cell in cells))
    return Grid(tuple(asked), answers)


def pairs_of(factors: Factors, factor: Factor, level: str) -> Levels:
    """Two levels of each layer: for `factor` this one, for the others the first that is not the reference."""
    chosen = {one: factors.others(one)[0] for one in FACTORS} | {factor: level}
    return {one: (factors.reference(one), chosen[one]) for one in FACTORS}


def cell_at(levels: Levels, index: tuple[int, ...]) -> Cell:
    prompt, retrieval, adapter = (levels[factor][at] for factor, at in zip(FACTORS, index, strict=True))
    return Cell(prompt=prompt, retrieval=retrieval, adapter=adapter)


def switched_on(scores: FloatArray, factor: Factor) -> FloatArray:
    """On minus off in one layer, (questions, 4): a column for each combination of the others, both on last."""
    axis = 1 + FACTORS.index(factor)
    return np.asarray(scores.take(1, axis) - scores.take(0, axis)).reshape(len(scores), 4)


def mean_of_known(values: FloatArray) -> FloatArray:
    """Over the columns that have a value, (questions,); NaN where none has."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    totals = np.where(known, values, 0.0).sum(axis=1)
    return np.asarray(np.divide(totals, count, out=np.full(len(values), np.nan), where=count > 0))


def change_of(values: FloatArray, groups: list[str], level: float = LEVEL, unit: Unit = "share") -> Change:
    """Of differences (questions,), NaN where there is none."""
    known = ~np.isnan(values)
    names = [name for name, there in zip(groups, known, strict=True) if there]
    sample = differences(values[known, None], names)
    if not sample.groups:
        return Change(None, None, 0)
    mean = float(sample.mean[0])
    if sample.groups < 2:
        return Change(mean, None, sample.questions)
    spread = float(sample.spread[0])
    if not varied(spread) and unit != "share":
        return Change(mean, None, sample.questions, alike=True)
    student = Interval(*map(float, t_interval(sample, level)[0]))
    rarer = math.log(1 - level) / math.log(1 - LEVEL)
    return Change(mean, cautious(student, spread, sample.groups, rarer), sample.questions, not varied(spread))
