"""What a right answer takes with all that a layer takes once, and from how many questions a day on a layer pays."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from adapters.strength import split_strength
from service.evaluation.combinations import Combination
from service.evaluation.design import Cell, Cost, Factors
from service.evaluation.setup import Setup
from service.plan import FACTORS

MINUTE = 60_000
SPEND = "milliseconds"


@dataclass(frozen=True, slots=True)
class Spent:
    """One combination, in milliseconds of the machine: `once` in a period, `each` answer; `right` is their share.

    `per_right` is what a right answer takes at the declared number of questions; None where none is right.
    """

    cell: Cell
    once: float
    each: float
    right: float
    per_right: float | None

    @property
    def minutes(self) -> float:
        return self.once / MINUTE


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From `questions` a day on `cheaper` takes less for each right answer than `other`; 0: always, None: never."""

    cheaper: Cell
    other: Cell
    questions: float | None


def spent(found: Sequence[Combination], setup: Setup, cost: Cost, adapters: Mapping[str, str]) -> Iterator[Spent]:
    """`adapters` gives the NAME@VERSION that a level of the adapter meant."""
    for one in found:
        each, right = one.means[SPEND].value, one.means["right"].value
        if each is None or right is None:
            continue
        once = MINUTE * (once_of(one.cell, cost) + training_of(one.cell, setup, adapters))
        answers = cost.requests_a_day * cost.days
        yield Spent(one.cell, once, each, right, (each + once / answers) / right if right else None)


def once_of(cell: Cell, cost: Cost) -> float:
    levels = cell.model_dump()
    return sum(minutes for factor, minutes in cost.minutes.items() if levels[factor] != "off")


def training_of(cell: Cell, setup: Setup, adapters: Mapping[str, str]) -> float:
    """Minutes, of the adapter and of what retrieval searches with."""
    label = adapters.get(cell.adapter)
    adapter = setup.adapters.get(split_strength(label)[0]) if label else None
    search = sum(setup.search.values()) if cell.retrieval != "off" else 0
    return search + ((adapter.minutes or 0) if adapter else 0)


def break_evens(found: Sequence[Spent], factors: Factors, days: float) -> Iterator[BreakEven]:
    """Each layer alone against each other one, and all layers against all but one."""
    by_cell = {one.cell: one for one in found if one.right}
    for one, other in pairs(factors):
        if one in by_cell and other in by_cell:
            yield break_even(by_cell[one], by_cell[other], days)


def pairs(factors: Factors) -> Iterator[tuple[Cell, Cell]]:
    off = {factor: factors.reference(factor) for factor in FACTORS}
    on = {factor: factors.others(factor)[0] for factor in FACTORS}
    alone = [Cell(**off | {factor: on[factor]}) for factor in FACTORS]
    yield from combinations(alone, 2)
    for factor in FACTORS:
        yield Cell(**on), Cell(**on | {factor: off[factor]})


def break_even(one: Spent, other: Spent, days: float) -> BreakEven:
    """Two lines, each + once / questions by the share of right answers: the one that rises less wins in the end."""
    cheaper, dearer = sorted((one, other), key=lambda spent: (spent.each / spent.right, spent.once / spent.right))
    saved = dearer.each / dearer.right - cheaper.each / cheaper.right
    more = cheaper.once / cheaper.right - dearer.once / dearer.right
    if more <= 0:
        return BreakEven(cheaper.cell, dearer.cell, 0)
    return BreakEven(cheaper.cell, dearer.cell, more / saved / days if saved else None)
