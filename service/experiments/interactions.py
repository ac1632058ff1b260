"""Does one layer's effect depend on another's arm? Two-way interactions of experiments that ran together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from service.experiments.assign import Arm, Experiment
from service.experiments.effects import ALPHA
from service.experiments.members import Makers, Member
from service.experiments.sequential import (
    FEWEST_UNITS,
    ArmTotals,
    FloatArray,
    TestedInterval,
    always_valid,
    contrast,
    fixed_horizon,
)

# Both treated, the one, the other, neither.
DOUBLE_DIFFERENCE = (1.0, -1.0, -1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two experiments by their places, and an arm of each against its control."""

    places: tuple[int, int]
    experiments: tuple[Experiment, Experiment]
    arms: tuple[Arm, Arm]

    def controls(self) -> tuple[str, str]:
        return self.experiments[0].arms[0].name, self.experiments[1].arms[0].name


@dataclass(frozen=True, slots=True)
class Interaction:
    """How much more the second layer's arm changes the mean rating under the first's arm than under its control.

    From the `units` in these four combinations, whatever else they met; the smallest of them has `fewest`.
    `always_valid` may be read at any look, `fixed` once; None before there is enough to tell. All interactions of a
    report are right together (Bonferroni).
    """

    experiments: tuple[str, str]
    arms: tuple[str, str]
    units: int
    fewest: int
    difference: float | None
    always_valid: TestedInterval | None
    fixed: TestedInterval | None
    sentence: str


def interactions_of(
    experiments: Sequence[Experiment], members: Sequence[Member], mismatch: bool, makers: Sequence[Makers]
) -> tuple[Interaction, ...]:
    """For each two experiments, and each arm of theirs but the controls."""
    pairs = list(pairs_of(experiments))
    alpha = ALPHA / len(pairs)
    return tuple(interaction_of(pair, members, alpha, doubt(pair, mismatch, makers)) for pair in pairs)


def doubt(pair: Pair, mismatch: bool, makers: Sequence[Makers]) -> str | None:
    """Why no figure means what it seems to; `makers` are empty where nobody met all experiments."""
    if mismatch:
        return "the cells' sizes do not fit their shares"
    changed = [
        f"{experiment.factor} {arm}"
        for place, experiment, own, control in zip(
            pair.places, pair.experiments, pair.arms, pair.controls(), strict=True
        )
        for arm in (control, own.name)
        if makers and len(makers[place][arm]) > 1
    ]
    return f"what {' and '.join(changed)} had in the layer changed" if changed else None


def pairs_of(experiments: Sequence[Experiment]) -> Iterator[Pair]:
    for (place, one), (other_place, other) in combinations(enumerate(experiments), 2):
        for arm in one.arms[1:]:
            for other_arm in other.arms[1:]:
                yield Pair((place, other_place), (one, other), (arm, other_arm))


def interaction_of(pair: Pair, members: Sequence[Member], alpha: float, why: str | None) -> Interaction:
    quarters = quarters_of(pair, members)
    sizes = [len(ratings) for ratings in quarters]
    totals = [ArmTotals.of(ratings) for ratings in quarters if len(ratings) > 1]
    found = contrast(totals, DOUBLE_DIFFERENCE) if len(totals) == len(quarters) else None
    interval = always_valid(found, decision_at(pair.experiments), alpha) if found else None
    return Interaction(
        experiments=(pair.experiments[0].key, pair.experiments[1].key),
        arms=(pair.arms[0].name, pair.arms[1].name),
        units=sum(sizes),
        fewest=min(sizes),
        difference=found.value if found else None,
        always_valid=interval,
        fixed=fixed_horizon(found, alpha) if found else None,
        sentence=sentence_of(pair, interval, found.value if found else None, sizes, why),
    )


def quarters_of(pair: Pair, members: Sequence[Member]) -> list[FloatArray]:
    """The ratings of both arms' users, of each one's with the other's control, and of both controls'."""
    (first, second), (control, other_control) = (arm.name for arm in pair.arms), pair.controls()
    met = [(first, second), (first, other_control), (control, second), (control, other_control)]
    one, other = pair.places
    return [
        np.array([user.rating for user in members if (user.arms[one], user.arms[other]) == arms], dtype=float)
        for arms in met
    ]


def decision_at(experiments: Sequence[Experiment]) -> int:
    """Users at which someone means to decide: the most that any of them declared."""
    return max(one.decision_at for one in experiments)


def sentence_of(
    pair: Pair, interval: TestedInterval | None, value: float | None, sizes: Sequence[int], why: str | None
) -> str:
    """Whether the second layer's effect depends on the first's, and which way; `why` nothing is to be believed."""
    effect, layer = f"the {called(pair, 1)}'s effect", f"the {called(pair, 0)}"
    if why:
        return f"Believe nothing of how {effect} depends on {layer}: {why}."
    if interval is None or value is None:
        return (
            f"Nobody can tell yet whether {effect} depends on {layer}: expected {FEWEST_UNITS} users in each of "
            f"four combinations, and ratings that differ; the smallest has {min(sizes)}."
        )
    found = f"{value:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"
    if interval.low <= 0 <= interval.high:
        told = f"as far as {sum(sizes):,} users tell: the difference is {found}, {reach_of(pair, interval)}."
        return f"{sentence_case(effect)} does not depend on {layer}, {told}"
    way, (control, _) = "larger" if value > 0 else "smaller", pair.controls()
    told = f"{way} with {pair.arms[0].name} than with {control}, by {found}, as {sum(sizes):,} users tell."
    return f"{sentence_case(effect)} depends on {layer}: it is {told}"


def reach_of(pair: Pair, interval: TestedInterval) -> str:
    """Against the smallest effect that either experiment declared."""
    least = min(one.smallest_effect for one in pair.experiments)
    within = max(-interval.low, interval.high) < least
    return f"below {least:g} for sure" if within else f"which may still hide one of {least:g}"


def sentence_case(text: str) -> str:
    return text[0].upper() + text[1:]


def called(pair: Pair, index: int) -> str:
    """The layer, and its arm where there are several."""
    experiment, arm = pair.experiments[index], pair.arms[index]
    return experiment.factor if len(experiment.arms) == 2 else f"{experiment.factor} {arm.name}"
