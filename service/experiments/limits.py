"""What an experiment's figures do not say, in sentences."""

from collections.abc import Iterator

from service.experiments.effects import find
from service.experiments.report import ExperimentReport
from service.experiments.sequential import FEWEST_UNITS
from service.experiments.wording import count, mixed_sentences

ALWAYS = (
    "An answer that nobody rated counts 0: an arm whose users say more moves further from 0. Compare the rated "
    "answers of the arms, too.",
    "Only requests with a user take part, and of those only answers that the layer could change.",
    "The interval at any look rests on a normal limit: it is good from some dozens of users on, not exact.",
    "A user who comes back changes a mean that was counted already; the interval's proof does not cover that; in "
    "simulations it held.",
    "The alarm for the arms' sizes is a test for one look: looked at often, chance rings it somewhat more often "
    "than once in a thousand times.",
    "In the course over days an answer stands on its own day with the latest word on it, even one that came later.",
)
WEEK = 7
TOO_SHORT = "Less than a whole week: weekdays and weekends may bring other users, and what is new may wear off."


def limits(report: ExperimentReport) -> list[str]:
    return [*found(report), *ALWAYS]


def found(report: ExperimentReport) -> Iterator[str]:
    """What only this experiment lacks."""
    yield from mixed_sentences((arm.name, arm.makers) for arm in report.arms)
    if report.days < WEEK:
        yield TOO_SHORT
    if min(arm.units for arm in report.arms) < FEWEST_UNITS:
        yield f"Below {FEWEST_UNITS} users in an arm there is no interval."
    if report.crossed:
        yield f"{count(report.crossed, 'user')} seen under two arms: left out, they count in none."
    if any(one.bound and not find(report.effects, one.arm, one.metric).always_valid for one in report.guardrails):
        yield "Where all users are alike, a guardrail's range is by the rule of three (3 in n), for one look."
    if report.bucket_version:
        yield f"Counted is bucket version {report.bucket_version} only: who met an earlier one may still feel it."
    if len(report.arms) > 2:
        yield f"{len(report.arms) - 1} arms against one control share the 5 in 100 that may be wrong (Bonferroni)."
