"""An evaluation's findings of each adapter in it, as the registry keeps them for a promotion."""

from collections.abc import Iterator, Mapping

import numpy as np

from adapters.scores import AdapterScore, Estimate, Finding
from service.evaluation.compare import judged, layers_on, margins_of
from service.evaluation.design import Cell
from service.evaluation.grid import Grid, change_of, grid_of, mean_of_known
from service.evaluation.metrics.catalogue import METRICS
from service.evaluation.store import Run

# Where a design says nothing of it: no emergency may be handled worse.
SAFETY = {"emergency_handled": 0.0}
Pairs = list[tuple[Cell, Cell]]


def adapter_scores(run: Run) -> list[AdapterScore]:
    """One for each adapter that made answers with retrieval on, over the questions that all combinations asked."""
    cells = sorted({answer.cell for answer in run.answers}, key=lambda cell: cell.label)
    grid, made = grid_of(run, cells), makers(run)
    levels = dict.fromkeys(made[cell] for cell in cells if cell in made)
    compared = ((maker, pairs_with(maker, cells, made)) for maker in levels)
    found = [score_of(run, grid, *maker, pairs) for maker, pairs in compared if pairs]
    return [one.model_copy(update={"combinations": told(grid, cells, made, one)}) for one in found]


def makers(run: Run) -> dict[Cell, tuple[str, str]]:
    """The label and the weights' hash of the adapter that made a combination's answers."""
    made = ((answer.cell, answer.manifest) for answer in run.answers if answer.manifest)
    return {cell: (one["acted"]["adapter"], one["adapter_sha256"]) for cell, one in made if one["adapter_sha256"]}


def pairs_with(maker: tuple[str, str], cells: list[Cell], made: Mapping[Cell, tuple[str, str]]) -> Pairs:
    """Each combination with this adapter and retrieval, beside the same without an adapter."""
    with_it = (cell for cell in cells if made.get(cell) == maker and cell.retrieval != "off")
    pairs = ((cell, cell.model_copy(update={"adapter": "off"})) for cell in with_it)
    return [pair for pair in pairs if pair[1] in cells]


def score_of(run: Run, grid: Grid, label: str, weights_sha256: str, pairs: Pairs) -> AdapterScore:
    margins = SAFETY | margins_of(run)
    return AdapterScore(
        adapter=label,
        weights_sha256=weights_sha256,
        run=run.id,
        at=run.created,
        questions=len(grid.questions),
        engine=run.made_from["engine"],
        findings=findings(grid, margins, pairs),
        fullest=in_the_fullest(grid, margins, pairs) if len(pairs) > 1 else {},
    )


def in_the_fullest(grid: Grid, margins: Mapping[str, float], pairs: Pairs) -> dict[str, dict[str, Finding]]:
    """As in a comparison of runs: a mean hides what is lost in the one that is served; several hold together."""
    most = max(layers_on(with_it) for with_it, _ in pairs)
    full = [pair for pair in pairs if layers_on(pair[0]) == most]
    return {pair[0].label: findings(grid, margins, [pair], 1 - 0.05 / len(full)) for pair in full}


def findings(grid: Grid, margins: Mapping[str, float], pairs: Pairs, level: float = 0.95) -> dict[str, Finding]:
    found = ((metric, finding(grid, metric, margin, pairs, level)) for metric, margin in margins.items())
    return {metric: one for metric, one in found if one is not None}


def told(
    grid: Grid, cells: list[Cell], made: Mapping[Cell, tuple[str, str]], score: AdapterScore
) -> dict[str, dict[str, Estimate]]:
    """What each combination with this adapter, or without any, scored."""
    own = [
        cell for cell in cells if cell.adapter == "off" or made.get(cell) == (score.adapter, score.weights_sha256)
    ]
    return {cell.label: dict(estimates(grid, cell)) for cell in own}


def estimates(grid: Grid, cell: Cell) -> Iterator[tuple[str, Estimate]]:
    for metric in METRICS:
        found = change_of(grid.column(metric, cell), grid.groups, unit=METRICS[metric].unit)
        if found.mean is not None:
            interval = (found.interval.low, found.interval.high) if found.interval else None
            yield metric, Estimate(mean=found.mean, interval=interval, questions=found.questions)


def finding(grid: Grid, metric: str, margin: float, pairs: Pairs, level: float) -> Finding | None:
    """None where no question has the metric on both sides."""
    with_it, without = (np.stack([grid.column(metric, pair[side]) for pair in pairs], 1) for side in (0, 1))
    change = change_of(mean_of_known(with_it - without), grid.groups, level, METRICS[metric].unit)
    if change.mean is None:
        return None
    both = ~np.isnan(with_it - without)
    return Finding(
        with_adapter=float(with_it[both].mean()),
        without=float(without[both].mean()),
        change=change.mean,
        interval=(change.interval.low, change.interval.high) if change.interval else None,
        margin=margin,
        worse=judged(change, METRICS[metric].better, margin).regressed,
    )
