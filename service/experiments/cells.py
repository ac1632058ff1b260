"""Experiments that ran together: every combination of their arms, with its users and ratings, and its fair size."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, product
from math import ceil, prod
from typing import Any

import numpy as np

from service.experiments.assign import Experiment
from service.experiments.effects import ALPHA
from service.experiments.interactions import Interaction, decision_at, interactions_of
from service.experiments.main_effects import MainEffect, main_effects_of
from service.experiments.members import Makers, Member, together
from service.experiments.running import ExperimentRefused
from service.experiments.sequential import (
    SRM_ALARM,
    ArmTotals,
    FloatArray,
    TestedInterval,
    always_valid,
    contrast,
    srm_p,
)
from service.outcomes import ExposedOutcome

FEWEST_EXPERIMENTS = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination: an arm of each experiment, in their order. `share` is the product of the arms' shares.

    `rating` is the mean over users; its interval may be read at any look, each cell's for itself. None without
    users, or before there is enough to tell.
    """

    arms: tuple[str, ...]
    share: float
    units: int
    answers: int
    rating: float | None
    always_valid: TestedInterval | None


@dataclass(frozen=True, slots=True)
class CellsReport:
    """`left_out` users met only some of the experiments, or not at the time when all ran; `crossed` were seen under
    two arms of one. Neither counts. `srm_p` under 0.001: believe no effect. `same_seed` names experiments that can
    only ever give the same users the same arms. `days` is the time they ran together; `makers` has for each one
    arm -> what stood in its layer then -> its answers: where that is more than one thing, the figures mix them.
    """

    experiments: tuple[str, ...]
    factors: tuple[str, ...]
    cells: tuple[Cell, ...]
    units: int
    left_out: int
    crossed: int
    makers: tuple[Makers, ...]
    days: float
    srm_p: float
    same_seed: tuple[str, ...]
    main_effects: tuple[MainEffect, ...]
    interactions: tuple[Interaction, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def cells_of(experiments: Sequence[Experiment], outcomes: Mapping[str, Sequence[ExposedOutcome]]) -> CellsReport:
    """From experiment key -> every answer under an arm of it. Raises ExperimentRefused for what has no cells."""
    check_together(experiments)
    met = together(experiments, outcomes)
    cells = tuple(cell_of(arms, experiments, met.members) for arms in product(*map(arms_of, experiments)))
    p = srm_p([cell.units for cell in cells], [cell.share for cell in cells])
    return CellsReport(
        experiments=tuple(one.key for one in experiments),
        factors=tuple(one.factor for one in experiments),
        cells=cells,
        units=len(met.members),
        left_out=met.left_out,
        crossed=met.crossed,
        makers=met.makers,
        days=met.days,
        srm_p=p,
        same_seed=same_seed(experiments),
        main_effects=main_effects_of(experiments, met.members),
        interactions=interactions_of(experiments, met.members, p < SRM_ALARM, met.makers),
    )


def check_together(experiments: Sequence[Experiment]) -> None:
    """Raises ExperimentRefused where no user can be in all of them at once, each on a layer of its own."""
    keys = ", ".join(one.key for one in experiments) or "none"
    if len(experiments) < FEWEST_EXPERIMENTS:
        raise ExperimentRefused(
            f"Cells need {FEWEST_EXPERIMENTS} experiments or more, got {keys}; name those that ran together."
        )
    for one in experiments:
        if one.interleave:
            raise ExperimentRefused(
                f"{one.key!r} is interleaved: each answer is of both arms, so it has no cells. Leave it out, and "
                "read its report."
            )
    for one, other in combinations(experiments, 2):
        if one.factor == other.factor:
            raise ExperimentRefused(
                f"{one.key!r} and {other.key!r} are both about the {one.factor} layer; name one experiment a layer."
            )
        if one.slot.apart_from(other.slot):
            raise ExperimentRefused(
                f"{one.key!r} and {other.key!r} share no user: their dates or parts of a namespace are apart. "
                "Read the report of each for itself."
            )


def arms_of(experiment: Experiment) -> list[str]:
    return [arm.name for arm in experiment.arms]


def cell_of(arms: tuple[str, ...], experiments: Sequence[Experiment], members: Sequence[Member]) -> Cell:
    own = [one for one in members if one.arms == arms]
    ratings = np.array([one.rating for one in own], dtype=float)
    share = prod(
        next(one.share for one in experiment.arms if one.name == arm)
        for experiment, arm in zip(experiments, arms, strict=True)
    )
    return Cell(
        arms=arms,
        share=share,
        units=len(own),
        answers=sum(one.answers for one in own),
        rating=float(ratings.mean()) if own else None,
        always_valid=mean_interval(ratings, max(1, ceil(share * decision_at(experiments)))),
    )


def mean_interval(ratings: FloatArray, decision_at: int) -> TestedInterval | None:
    """Of one cell's mean, for any look; `decision_at` is the number of the cell's users where it is tightest."""
    found = contrast([ArmTotals.of(ratings)], [1.0]) if len(ratings) > 1 else None
    return always_valid(found, decision_at, ALPHA) if found else None


def same_seed(experiments: Sequence[Experiment]) -> tuple[str, ...]:
    seeds = [one.seed for one in experiments]
    return tuple(one.key for one in experiments if seeds.count(one.seed) > 1)
