"""Which of two interleaved collections answers cite: wins, ties, a sign test, and one sentence on which to keep."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from service.experiments.assign import Experiment
from service.experiments.cells import mean_interval
from service.experiments.sequential import FEWEST_UNITS, TestedInterval
from service.experiments.units import days_of
from service.experiments.verdict import units_until
from service.experiments.wording import between, chance, count
from service.outcomes import ExposedOutcome

# One win for each arm is added to an interval.
FEWEST_ANSWERS = FEWEST_UNITS - 2


@dataclass(frozen=True, slots=True)
class Side:
    """An arm: the answers that it won, its drafted passages, and how many of those were cited."""

    name: str
    value: str
    wins: int
    drafted: int
    cited: int


@dataclass(frozen=True, slots=True)
class PreferenceReport:
    """`lead` is (wins of the second arm - wins of the first) / answers, -1 to 1; `always_valid` is for any look.

    `share` is the second arm's of all wins, ties left out, `one_look` its exact interval with the sign test's p:
    right for one look, at a number set beforehand. None before there is enough to tell. `turned` wins went to the
    other arm because a person called the evidence wrong. `undrafted` answers are ties: nothing was drafted:
    both collections found the same, or one of them nothing.
    """

    key: str
    sides: tuple[Side, Side]
    answers: int
    users: int
    ties: int
    turned: int
    undrafted: int
    days: float
    lead: float | None
    always_valid: TestedInterval | None
    share: float | None
    one_look: TestedInterval | None
    more_answers: int | None
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def preference_of(experiment: Experiment, outcomes: Sequence[ExposedOutcome]) -> PreferenceReport:
    """From every answer that both arms had a part in (Chapelle, Joachims, Radlinski and Yue 2012)."""
    own = [one for one in outcomes if one.arm in experiment.exposed_arms]
    first, second = (arm.name for arm in experiment.arms)
    won = [winner(one, first, second) for one in own]
    wins, lost = won.count(1), won.count(-1)
    lead, interval = (wins - lost) / len(own) if own else None, lead_interval(won, experiment.decision_at)
    more, sentence = judged(experiment, wins, lost, len(own), interval)
    return PreferenceReport(
        key=experiment.key,
        sides=(side_of(experiment, 0, lost, own), side_of(experiment, 1, wins, own)),
        answers=len(own),
        users=len({one.unit for one in own}),
        ties=won.count(0),
        turned=sum(result != 0 and evidence_wrong(one) for one, result in zip(own, won, strict=True)),
        undrafted=sum(all(passage["team"] is None for passage in one.passages) for one in own),
        days=days_of(own),
        lead=lead,
        always_valid=interval,
        share=wins / (wins + lost) if wins + lost else None,
        one_look=sign_test(wins, lost),
        more_answers=more,
        sentence=sentence,
    )


def winner(outcome: ExposedOutcome, first: str, second: str) -> int:
    """1 if the answer cites more of what the second arm drafted, -1 if of the first, 0 for a tie.

    Where a person called the evidence wrong, what was cited counts against the arm that drafted it.
    """
    one, other = (cited(outcome, arm) for arm in (first, second))
    lead = (other > one) - (other < one)
    return -lead if evidence_wrong(outcome) else lead


def cited(outcome: ExposedOutcome, arm: str) -> int:
    return sum(passage["team"] == arm and passage["cited"] for passage in outcome.passages)


def evidence_wrong(outcome: ExposedOutcome) -> bool:
    return "evidence_wrong" in outcome.reasons


def side_of(experiment: Experiment, place: int, wins: int, outcomes: Sequence[ExposedOutcome]) -> Side:
    arm = experiment.arms[place]
    drafted = sum(passage["team"] == arm.name for one in outcomes for passage in one.passages)
    return Side(arm.name, arm.value, wins, drafted, sum(cited(one, arm.name) for one in outcomes))


def lead_interval(won: Sequence[int], decision_at: int) -> TestedInterval | None:
    """Of the lead, for any look; None before 28 answers.

    A win for each arm is added (Agresti and Min 2005), so that answers which are all alike have a spread, too: it
    draws the interval a little towards 0.
    """
    return mean_interval(np.array([-1, 1, *won], dtype=float), decision_at)


def sign_test(wins: int, lost: int) -> TestedInterval | None:
    """Of the share of wins (Clopper and Pearson 1934), with the p of the exact two-sided sign test."""
    if not wins + lost:
        return None
    test = binomtest(wins, wins + lost)
    bounds = test.proportion_ci(0.95, method="exact")
    return TestedInterval(float(bounds.low), float(bounds.high), float(test.pvalue))


def judged(
    experiment: Experiment, wins: int, lost: int, answers: int, interval: TestedInterval | None
) -> tuple[int | None, str]:
    """How many more answers are needed, if any, and the sentence.

    The second arm is kept if it leads for sure, by as much as counts; the first if the second does not for sure.
    """
    first, second = (arm.name for arm in experiment.arms)
    told = f"{second} won {count(wins, 'answer')}, {first} {lost:,}, {count(answers - wins - lost, 'tie')}"
    if interval is None:
        return None, f"Go on: there is too little to tell ({told}); an interval takes {FEWEST_ANSWERS} answers."
    least, lead = experiment.smallest_effect, (wins - lost) / answers
    told = f"{told}; the lead of {second} is {lead:+.3f} ({between('lead', interval)}, p {chance(interval.p)})"
    if interval.high < 0:
        return None, f"Keep {first}: {told}."
    if interval.high < least:
        return None, f"Keep {first}: {told}, below {least:g} for sure."
    if interval.low > 0 and lead >= least:
        return None, f"Keep {second}: {told}."
    more = units_until(interval, answers, experiment.decision_at, lead if lead >= least else least - lead)
    needed = f"about {count(more, 'more answer')}" if more else "more answers"
    return more, f"Go on: {told}; {needed} until one can tell, if it stays like this."
