"""What each layer changes if the judge says what is right, beside the metric's word over the same questions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from service.evaluation.design import Design
from service.evaluation.effects import Effect, Effects, estimate
from service.evaluation.grid import Grid, Levels, cell_at, pairs_of
from service.evaluation.judge.opinions import Opinion
from service.evaluation.layers import layer_name
from service.evaluation.paired import FloatArray
from service.plan import FACTORS

GOAL = "right"


@dataclass(frozen=True, slots=True)
class LayerUnderJudge:
    """Main effects on right answers; their means are None where no question was judged in every combination."""

    name: str
    judged: Effect
    scored: Effect


def layers_under_judge(design: Design, grid: Grid, opinions: Sequence[Opinion]) -> Iterator[LayerUnderJudge]:
    for factor in FACTORS:
        against = design.factors.reference(factor)
        for level in design.factors.others(factor):
            levels = pairs_of(design.factors, factor, level)
            judged, scored = both_effects(design, grid, levels, opinions)
            name = layer_name(factor, level, against)
            yield LayerUnderJudge(name, judged.of("main")[factor], scored.of("main")[factor])


def both_effects(
    design: Design, grid: Grid, levels: Levels, opinions: Sequence[Opinion]
) -> tuple[Effects, Effects]:
    verdicts = judged_scores(grid, levels, opinions)
    unknown = np.isnan(verdicts).any(axis=(1, 2, 3))
    scores = grid.scores(GOAL, levels)
    scores[unknown] = np.nan
    return estimate(verdicts, grid.groups, design.seed), estimate(scores, grid.groups, design.seed)


def judged_scores(grid: Grid, levels: Levels, opinions: Sequence[Opinion]) -> FloatArray:
    """As a grid's own scores: (questions, 2, 2, 2), NaN where there is no verdict."""
    known = {(one.answer.cell, one.question.id): one.value(GOAL) for one in opinions}
    values = np.full((len(grid.questions), 2, 2, 2), np.nan)
    for index in np.ndindex(2, 2, 2):
        cell = cell_at(levels, index)
        for row, question in enumerate(grid.questions):
            value = known.get((cell, question.id))
            values[(row, *index)] = np.nan if value is None else value
    return values
