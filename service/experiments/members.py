"""The users of experiments that ran together: who met all of them, under which arms, and how they rated."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean

from service.experiments.assign import Experiment
from service.experiments.units import makers_of
from service.outcomes import ExposedOutcome, rating_value

Makers = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Member:
    """A user with one arm in each experiment, in their order, and the mean rating (-1 to 1) over all answers."""

    name: str
    arms: tuple[str, ...]
    answers: int
    rating: float


@dataclass(frozen=True, slots=True)
class Together:
    """`days` from the first to the last answer that all experiments had a part in. Nobody else is a member:

    `crossed` users were seen under two arms of one experiment in that time, `left_out` are all others that met one.
    `makers`: for each experiment, arm -> what stood in its layer in that time -> its answers.
    """

    members: tuple[Member, ...]
    crossed: int
    left_out: int
    days: float
    makers: tuple[Makers, ...] = ()


def together(experiments: Sequence[Experiment], outcomes: Mapping[str, Sequence[ExposedOutcome]]) -> Together:
    """From experiment key -> every answer under an arm of it; answers under an arm that is no more are left out.

    A member's answers are all in that time that any of the experiments had a part in. One that a layer could not
    change counts, too, as where search found nothing: the arm that makes such answers must not be spared them.
    """
    known = [under_arms(one, outcomes[one.key]) for one in experiments]
    everybody = {answer.unit for answers in known for answer in answers}
    span = shared_time(known)
    if span is None:
        return Together((), 0, len(everybody), 0.0)
    shared = [within(answers, span) for answers in known]
    met = arms_met(shared)
    crossed = sum(any(len(arms) > 1 for arms in seen) for seen in met.values())
    chosen = {
        unit: tuple(min(arms) for arms in seen) for unit, seen in met.items() if all(len(a) == 1 for a in seen)
    }
    rated = ratings_of(answer for answers in shared for answer in answers)
    members = tuple(Member(unit, arms, len(rated[unit]), fmean(rated[unit])) for unit, arms in chosen.items())
    days = (span[1] - span[0]).total_seconds() / 86_400
    made = tuple(
        {arm.name: makers_of(answers, arm.name) for arm in one.arms}
        for one, answers in zip(experiments, shared, strict=True)
    )
    return Together(members, crossed, len(everybody) - len(members) - crossed, days, made)


def under_arms(experiment: Experiment, outcomes: Iterable[ExposedOutcome]) -> list[ExposedOutcome]:
    arms = {arm.name for arm in experiment.arms}
    return [one for one in outcomes if one.arm in arms]


def shared_time(known: Sequence[Sequence[ExposedOutcome]]) -> tuple[datetime, datetime] | None:
    """From the first to the last answer that is among all of them; None without any."""
    shared = set.intersection(*({one.message_id for one in answers} for answers in known))
    times = [when(one) for one in known[0] if one.message_id in shared]
    return (min(times), max(times)) if times else None


def within(answers: Iterable[ExposedOutcome], span: tuple[datetime, datetime]) -> list[ExposedOutcome]:
    return [one for one in answers if span[0] <= when(one) <= span[1]]


def when(outcome: ExposedOutcome) -> datetime:
    return datetime.fromisoformat(outcome.answered)


def arms_met(known: Sequence[Sequence[ExposedOutcome]]) -> dict[str, list[set[str]]]:
    """Unit -> the arms that it met in each experiment."""
    met: dict[str, list[set[str]]] = defaultdict(lambda: [set() for _ in known])
    for place, answers in enumerate(known):
        for one in answers:
            met[one.unit][place].add(one.arm)
    return met


def ratings_of(answers: Iterable[ExposedOutcome]) -> dict[str, list[float]]:
    """Unit -> a rating an answer; an answer that several experiments had a part in counts once."""
    ratings: dict[str, dict[str, float]] = defaultdict(dict)
    for one in answers:
        ratings[one.unit][one.message_id] = rating_value(one.rating)
    return {unit: list(of_unit.values()) for unit, of_unit in ratings.items()}
