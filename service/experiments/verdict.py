"""Ship an arm, roll it back, or go on: from intervals that hold at every look, and guardrails."""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from service.experiments.assign import Experiment
from service.experiments.sequential import FEWEST_UNITS, TestedInterval, always_valid_width

MOST_UNITS = 10_000_000
SHORTEST_DAYS = 1.0
NAMES = {"escalated": "people who went on to a person", "follow_up_needed": "questions that stayed open"}
Bound = tuple[float, float]
State = Literal["holds", "open", "harmed"]


@dataclass(frozen=True, slots=True)
class MetricEffect:
    """An arm less the control. `always_valid` may be read at any time, `fixed` once, at a size set beforehand.

    All three are None before there is enough to tell.
    """

    arm: str
    metric: str
    difference: float | None
    always_valid: TestedInterval | None
    fixed: TestedInterval | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of an arm against the control, after `days` with so many units in all arms together.

    `guardrails` are bounds of what gets worse, None before there is enough to tell; those `alike` are the rule of
    three's, since no unit differs from another.
    """

    arm: str
    goal: MetricEffect
    guardrails: Mapping[str, Bound | None]
    units: int
    days: float
    alike: Set[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """`more_units` and `more_days` are None where the verdict is not to go on, or nobody can tell."""

    arm: str
    verdict: Literal["ship", "roll back", "go on", "check"]
    sentence: str
    more_units: int | None = None
    more_days: float | None = None


def judged(evidence: Evidence, experiment: Experiment, mismatch: bool, mixed: Sequence[str] = ()) -> Verdict:
    """What to do with an arm; `mixed` are those of it and the control that were more than one thing.

    Check: the arms' sizes do not fit their shares, or an arm was more than one thing, so nothing is believed. Roll
    back: the rating is worse for sure, or not better by as much as counts, or a guardrail is harmed by more than
    that. Ship: better for sure, by at least that much, with all guardrails within it. Go on: everything else.
    """
    arm, least = evidence.arm, experiment.smallest_effect
    if why := doubt(mismatch, mixed):
        return Verdict(arm, "check", f"Believe nothing of {arm} yet: {why}.")
    states = {name: state_of(bound, least) for name, bound in evidence.guardrails.items()}
    harmed = [name for name, state in states.items() if state == "harmed"]
    if harmed:
        return Verdict(
            arm, "roll back", f"Roll back {arm}: more {listed(harmed)}, by more than {least:g} for sure."
        )
    interval = evidence.goal.always_valid
    if interval is None or evidence.goal.difference is None:
        return going_on(evidence, experiment, "there is too little to tell")
    change = f"{evidence.goal.difference:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"
    if interval.high < 0:
        return Verdict(arm, "roll back", f"Roll back {arm}: it is rated worse, by {change}.")
    unsure = [name for name, state in states.items() if state == "open"]
    if interval.low > 0 and evidence.goal.difference >= least:
        if not unsure:
            return Verdict(arm, "ship", f"Ship {arm}: it is rated better, by {change}, and the guardrails hold.")
        finding = f"rated better, by {change}, but not yet sure of {listed(unsure)}"
        return going_on(evidence, experiment, finding, unsure)
    if interval.high < least:
        return Verdict(arm, "roll back", f"Roll back {arm}: its effect, {change}, is below {least:g} for sure.")
    return going_on(evidence, experiment, f"the change of the rating is {change}")


def doubt(mismatch: bool, mixed: Sequence[str]) -> str | None:
    """Why no figure means what it seems to."""
    if mismatch:
        return "the arms' sizes do not fit their shares; find out why"
    if mixed:
        return f"what {' and '.join(mixed)} had in the layer changed; count anew with a higher bucket_version"
    return None


def state_of(bound: Bound | None, margin: float) -> State:
    """Harmed: a loss beyond the margin for sure. Holds: within it for sure. Open: neither, or nobody can tell."""
    if bound is None:
        return "open"
    return "harmed" if bound[0] > margin else "open" if bound[1] > margin else "holds"


def going_on(evidence: Evidence, experiment: Experiment, finding: str, unsure: Sequence[str] = ()) -> Verdict:
    """`unsure` are the guardrails that alone hold it back."""
    counts = [guardrail_missing(evidence, experiment, name) for name in unsure]
    counts = counts or [units_missing(evidence, experiment)]
    known = [one for one in counts if one is not None]
    more = max(known) if len(known) == len(counts) else None
    pace = evidence.units / evidence.days if evidence.days >= SHORTEST_DAYS else None
    days = more / pace if more and pace else None
    needed = f"about {more} more users" if more else "more users"
    time = f", {math.ceil(days)} days at this pace" if days else ""
    return Verdict(evidence.arm, "go on", f"Go on with {evidence.arm}: {finding}; {needed}{time}.", more, days)


def units_missing(evidence: Evidence, experiment: Experiment) -> int | None:
    """Until the interval is no wider to either side than the smallest effect; None where its width is unknown."""
    fewest = FEWEST_UNITS * len(experiment.arms)
    if evidence.goal.always_valid is None:
        return max(fewest - evidence.units, 0) or None
    return units_until(
        evidence.goal.always_valid, evidence.units, experiment.decision_at, experiment.smallest_effect
    )


def guardrail_missing(evidence: Evidence, experiment: Experiment, name: str) -> int | None:
    """Until its range is no wider to either side than the margin: the rule of three's shrinks as units come."""
    bound, units, reach = evidence.guardrails[name], evidence.units, experiment.smallest_effect
    if bound is None:
        return units_missing(evidence, experiment)
    if name in evidence.alike:
        return max(math.ceil((bound[1] - bound[0]) / 2 * units / reach) - units, 1)
    return units_until(TestedInterval(*bound, p=1.0), units, experiment.decision_at, reach)


def units_until(interval: TestedInterval, units: int, decision_at: int, reach: float) -> int | None:
    """More units until an interval for any look goes no further than `reach` to either side; None if too many."""
    half = (interval.high - interval.low) / 2
    now = float(always_valid_width(units, decision_at))
    total = units
    while total < MOST_UNITS:
        width = float(always_valid_width(total, decision_at)) / now * math.sqrt(units / total)
        if half * width <= reach:
            return max(total - units, 1)
        total = math.ceil(total * 1.05)
    return None


def listed(names: list[str]) -> str:
    return " and ".join(NAMES[name] for name in names)
