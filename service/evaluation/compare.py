"""Two runs, paired by question and combination: what changed, and whether it got worse by more than a margin."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from service.evaluation.design import Cell
from service.evaluation.grid import Change, change_of, groups_of, mean_of_known
from service.evaluation.metrics.catalogue import METRICS, Better
from service.evaluation.paired import FloatArray
from service.evaluation.questions import PackQuestion
from service.evaluation.store import Answer, Run, RunError


@dataclass(frozen=True, slots=True)
class Difference:
    """The second run minus the first. `margin` is the loss that is too much; None where none was given."""

    change: Change
    margin: float | None
    regressed: bool


@dataclass(frozen=True)
class Comparison:
    """`only_one` counts questions that not both runs have asked, or that read differently.

    `metrics` are means over all combinations; `fullest` are those that may lose so much and no more, in each
    combination with the most layers on, as users get it. `before` counts the first run's answers, `lacking` those
    of them to which the second run has no counterpart.
    """

    first: str
    second: str
    questions: int
    only_one: int
    cells: tuple[Cell, ...]
    metrics: Mapping[str, Difference]
    fullest: Mapping[str, Mapping[str, Difference]]
    goal: str
    by_cell: Mapping[str, Change]
    before: int
    lacking: int

    @property
    def regressed(self) -> list[str]:
        """On average over the combinations, or in one of the fullest."""
        found = (self.metrics, *self.fullest.values())
        return list(dict.fromkeys(name for one in found for name, change in one.items() if change.regressed))

    def lack(self) -> str:
        return (
            f"The run {self.second} lacks {self.lacking} of the {self.before} answers of {self.first}, so no "
            "regression in them would be seen. `triptych evaluate run` goes on with a run that was stopped; one "
            "with fewer questions or levels needs a first run that has no more."
        )

    def as_dict(self) -> dict[str, Any]:
        cells = [cell.model_dump() for cell in self.cells]
        values = {
            "metrics": as_plain(self.metrics),
            "fullest": {label: as_plain(differences) for label, differences in self.fullest.items()},
            "by_cell": {label: asdict(change) for label, change in self.by_cell.items()},
        }
        return {**vars(self), "cells": cells, **values, "regressed": self.regressed}


def as_plain(differences: Mapping[str, Difference]) -> dict[str, Any]:
    return {name: asdict(one) for name, one in differences.items()}


def margins_of(run: Run) -> dict[str, float]:
    """What the run's design allows to be lost: on the goal, and on each guardrail."""
    design = run.design
    return {one.metric: one.margin for one in design.guardrails} | {design.goal.metric: design.goal.margin}


def compare(first: Run, second: Run, margins: Mapping[str, float]) -> Comparison:
    """Raises RunError where they share no question in a combination."""
    before, after = by_place(first), by_place(second)
    places = before.keys() & after.keys()
    asked = {name for _, name in places}
    questions = [question for question in shared_questions(first, second) if question.id in asked]
    if not questions:
        raise RunError(f"The runs {first.id} and {second.id} share no question in the same combination.")
    cells = sorted({cell for cell, _ in places}, key=lambda cell: cell.label)
    changes = {metric: changed(metric, questions, cells, before, after) for metric in METRICS}
    groups, goal = groups_of(questions), second.design.goal.metric
    shared = {question.id for question in questions}
    every = {question.id for run in (first, second) for question in run.questions}
    return Comparison(
        first=first.id,
        second=second.id,
        questions=len(questions),
        only_one=len(every) - len(questions),
        cells=tuple(cells),
        metrics={
            metric: judged(
                change_of(mean_of_known(values), groups, unit=METRICS[metric].unit),
                METRICS[metric].better,
                margins.get(metric),
            )
            for metric, values in changes.items()
        },
        fullest=in_the_fullest(changes, cells, groups, margins),
        goal=goal,
        by_cell={cell.label: change_of(changes[goal][:, at], groups) for at, cell in enumerate(cells)},
        before=len(before),
        lacking=sum(place not in after or place[1] not in shared for place in before),
    )


def in_the_fullest(
    changes: Mapping[str, FloatArray], cells: list[Cell], groups: list[str], margins: Mapping[str, float]
) -> dict[str, dict[str, Difference]]:
    """A mean over all combinations hides what is lost in the one that is served.

    The intervals of several hold together (Bonferroni): that any is worse by luck stays as rare as with one.
    """
    most = max(map(layers_on, cells))
    places = {cell.label: at for at, cell in enumerate(cells) if layers_on(cell) == most}
    level = 1 - 0.05 / len(places)

    def difference(metric: str, at: int) -> Difference:
        known = METRICS[metric]
        return judged(change_of(changes[metric][:, at], groups, level, known.unit), known.better, margins[metric])

    return {label: {metric: difference(metric, at) for metric in margins} for label, at in places.items()}


def layers_on(cell: Cell) -> int:
    return sum(level != "off" for level in cell.model_dump().values())


def by_place(run: Run) -> dict[tuple[Cell, str], Answer]:
    return {(answer.cell, answer.question): answer for answer in run.answers}


def shared_questions(first: Run, second: Run) -> list[PackQuestion]:
    """Those that read the same in both, with the same gold."""
    known = {question.id: question for question in first.questions}
    return [question for question in second.questions if known.get(question.id) == question]


def changed(
    metric: str,
    questions: list[PackQuestion],
    cells: list[Cell],
    before: Mapping[tuple[Cell, str], Answer],
    after: Mapping[tuple[Cell, str], Answer],
) -> FloatArray:
    """Second minus first, (questions, cells); NaN where either has no value, or was not asked."""

    def change(place: tuple[Cell, str]) -> float:
        old, new = (run[place].scores.get(metric) if place in run else None for run in (before, after))
        return np.nan if old is None or new is None else new - old

    return np.array([[change((cell, question.id)) for cell in cells] for question in questions], dtype=float)


def judged(change: Change, better: Better, margin: float | None) -> Difference:
    """Regressed: worse by more than the margin on these questions, and shown to be worse on others, too. Where that
    cannot be shown, by one document or by the same loss everywhere, the loss on these counts.
    """
    if margin is None or change.mean is None:
        return Difference(change, margin, False)
    sign = 1 if better == "higher" else -1
    loss = -sign * change.mean
    worse = (
        change.alike or change.interval is None or max(sign * change.interval.low, sign * change.interval.high) < 0
    )
    return Difference(change, margin, loss > margin and worse)
