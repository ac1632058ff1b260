"""Questions whose answer a layer made right or wrong: what the numbers look like in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from service.evaluation.design import Cell, Design
from service.evaluation.grid import Grid, cell_at, pairs_of
from service.evaluation.questions import PackQuestion
from service.evaluation.store import Answer
from service.plan import FACTORS, Factor

MOST = 2


@dataclass(frozen=True, slots=True)
class Example:
    """The two answers differ in one layer; the others are on in both. `change` is of the goal's score."""

    factor: Factor
    question: PackQuestion
    without: Answer
    with_layer: Answer
    change: float


def examples(design: Design, grid: Grid) -> list[Example]:
    """For each layer the largest gains, then the largest losses; of equal ones the first asked."""
    return [example for factor in FACTORS for example in extremes(sorted_changes(design, grid, factor))]


def extremes(changed: list[Example]) -> list[Example]:
    gains = [one for one in changed if one.change > 0][:MOST]
    losses = [one for one in reversed(changed) if one.change < 0][:MOST]
    return [*gains, *losses]


def sorted_changes(design: Design, grid: Grid, factor: Factor) -> list[Example]:
    return sorted(every_change(design, grid, factor), key=lambda example: -example.change)


def every_change(design: Design, grid: Grid, factor: Factor) -> Iterator[Example]:
    without, with_layer = compared_cells(design, factor)
    goal = design.goal.metric
    for question in grid.questions:
        before, after = grid.answers[without, question.id], grid.answers[with_layer, question.id]
        old, new = before.scores[goal], after.scores[goal]
        if old is not None and new is not None:
            yield Example(factor, question, before, after, new - old)


def compared_cells(design: Design, factor: Factor) -> tuple[Cell, Cell]:
    levels = pairs_of(design.factors, factor, design.factors.others(factor)[0])
    without = tuple(0 if one == factor else 1 for one in FACTORS)
    return cell_at(levels, without), cell_at(levels, (1, 1, 1))
