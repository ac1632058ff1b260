"""What each combination of layers scored and what it cost."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.evaluation.design import Cell
from service.evaluation.grid import Grid
from service.evaluation.metrics.catalogue import COSTS, METRICS
from service.evaluation.paired import FloatArray


@dataclass(frozen=True, slots=True)
class Mean:
    """Over the `count` answers that have a value; None where none has."""

    value: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Combination:
    """`statuses` counts answers; `slow` is the 95th percentile of the milliseconds.

    `per_right` is what one right answer cost, in milliseconds and tokens; None where none was right.
    """

    cell: Cell
    means: Mapping[str, Mean]
    statuses: Mapping[str, int]
    slow: float | None
    per_right: Mapping[str, float | None]


def combinations(grid: Grid, cells: list[Cell]) -> Iterator[Combination]:
    for cell in cells:
        columns = {metric: known(grid.column(metric, cell)) for metric in METRICS}
        statuses = [grid.answers[cell, question.id].status for question in grid.questions]
        times = columns["milliseconds"]
        yield Combination(
            cell=cell,
            means={metric: mean(column) for metric, column in columns.items()},
            statuses={status: statuses.count(status) for status in dict.fromkeys(statuses)},
            slow=float(np.quantile(times, 0.95)) if times.size else None,
            per_right={cost: per_right(columns[cost], columns["right"]) for cost in COSTS},
        )


def told_costs(found: Sequence[Combination]) -> tuple[str, ...]:
    """The costs that any answer tells of."""
    return tuple(cost for cost in COSTS if any(one.means[cost].value is not None for one in found))


def known(column: FloatArray) -> FloatArray:
    return column[~np.isnan(column)]


def mean(column: FloatArray) -> Mean:
    return Mean(float(column.mean()) if column.size else None, column.size)


def per_right(cost: FloatArray, right: FloatArray) -> float | None:
    """The cost of all answers, right or not, by the number of right ones (cost-of-pass, arXiv 2504.13359)."""
    total = float(right.sum())
    return float(cost.sum()) / total if total and cost.size else None
