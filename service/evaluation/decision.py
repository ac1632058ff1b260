"""Keep a layer, drop it, or ask more questions: from an effect and a smallest useful effect declared beforehand."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from scipy.stats import norm

from service.evaluation.effects import Effect
from service.evaluation.guardrails import NonInferiority
from service.evaluation.paired import questions_without_spread, varied

FEWEST_QUESTIONS = 20
MOST_QUESTIONS = 10_000

Verdict = Literal["keep", "drop", "more"]


@dataclass(frozen=True, slots=True)
class Decision:
    """`more_questions` is None unless the verdict is more; `sentence` can stand alone in a report."""

    verdict: Verdict
    more_questions: int | None
    sentence: str


def decide(effect: Effect, smallest_useful: float, goal: str, guardrails: Mapping[str, NonInferiority]) -> Decision:
    """What to do with a layer, from its main effect on the goal (a score where higher is better, 0 to 1).

    Keep: the interval is above 0, the effect is at least `smallest_useful`, all guardrails hold. Drop: the interval
    is below `smallest_useful`, or a guardrail is harmed. More: everything else, and always under 20 questions, with
    the questions still needed.
    Raises ValueError for a smallest useful effect that is not above 0.
    """
    if not smallest_useful > 0:
        raise ValueError(f"Expected a smallest useful effect above 0, got {smallest_useful}; declare one.")
    if effect.interval is None or effect.mean is None:
        return more(effect, smallest_useful, goal, FEWEST_QUESTIONS - effect.questions)
    clear = effect.interval.low > 0 and effect.mean >= smallest_useful
    if effect.questions < FEWEST_QUESTIONS:
        if clear or effect.interval.high < smallest_useful:
            return too_early(effect, goal)
        return more(effect, smallest_useful, goal, FEWEST_QUESTIONS - effect.questions)
    if effect.interval.high < smallest_useful:
        return dropped(effect, smallest_useful, goal)
    if harmed := [name for name, guardrail in guardrails.items() if guardrail.harmed]:
        return forbidden(effect, goal, harmed)
    if clear:
        return guarded(effect, smallest_useful, goal, guardrails)
    return more(effect, smallest_useful, goal, 1)


def forbidden(effect: Effect, goal: str, harmed: list[str]) -> Decision:
    """Whatever the effect is: more questions would not lead to keeping it."""
    finding, worse = f"{goal} changes by {measured(effect)}, and the layer", ", ".join(harmed)
    if effect.interval is not None and effect.interval.low > 0:
        finding = f"it raises {goal} by {measured(effect)}, but"
    return Decision("drop", None, f"Drop {effect.name}: {finding} makes worse than allowed: {worse}.")


def guarded(
    effect: Effect, smallest_useful: float, goal: str, guardrails: Mapping[str, NonInferiority]
) -> Decision:
    """Keeps what is shown to harm no guardrail."""
    open_ones = {name: guardrail for name, guardrail in guardrails.items() if not guardrail.holds}
    finding = f"it raises {goal} by {measured(effect)}"
    if open_ones:
        count = max(missing(guardrail) for guardrail in open_ones.values())
        names = ", ".join(open_ones)
        unsure = f"{finding}, but these are not yet shown to be as good as before: {names}"
        return Decision("more", count, f"Undecided on {effect.name}: {unsure}; {asked(count)}.")
    enough = f"{smallest_useful:.3g} was declared to be worth it"
    return Decision("keep", None, f"Keep {effect.name}: {finding}; {enough}.")


def missing(guardrail: NonInferiority) -> int:
    if guardrail.spread is None:
        return FEWEST_QUESTIONS
    if not varied(guardrail.spread):
        planned = questions_without_spread(guardrail.margin, guardrail.questions / guardrail.groups)
        return max(1, planned - guardrail.questions)
    return max(1, questions_needed(guardrail.spread, guardrail.margin) - guardrail.questions)


def dropped(effect: Effect, smallest_useful: float, goal: str) -> Decision:
    lowers = effect.interval is not None and effect.interval.high < 0
    finding = f"it lowers {goal}" if lowers else f"it does not raise {goal} by {smallest_useful:.3g}"
    return Decision("drop", None, f"Drop {effect.name}: {finding}; the change is {measured(effect)}.")


def too_early(effect: Effect, goal: str) -> Decision:
    """The interval would tell already, but too few questions made it."""
    count = FEWEST_QUESTIONS - effect.questions
    known = f"{goal} changes by {measured(effect)}, but under {FEWEST_QUESTIONS} questions nothing is decided"
    return Decision("more", count, f"Undecided on {effect.name}: {known}; {asked(count)}.")


def more(effect: Effect, smallest_useful: float, goal: str, at_least: int) -> Decision:
    count = max(at_least, wanted(effect, smallest_useful) - effect.questions)
    known = f"{goal} changes by {measured(effect)}" if effect.interval else "too few questions have a score"
    unsure = f"{known}, which leaves open whether it reaches the useful {smallest_useful:.3g}"
    return Decision("more", count, f"Undecided on {effect.name}: {unsure}; {asked(count)}.")


def wanted(effect: Effect, smallest_useful: float) -> int:
    """Questions that would decide. Where there were enough to see a useful effect, it lies close under it."""
    if effect.spread is None:
        return questions_without_spread(smallest_useful)
    if not varied(effect.spread):
        return questions_without_spread(smallest_useful, effect.questions / effect.groups)
    planned = questions_needed(effect.spread, smallest_useful)
    distance = smallest_useful - (effect.mean or 0.0)
    if effect.questions < planned or distance <= 0:
        return planned
    return questions_needed(effect.spread, distance)


def questions_needed(spread: float, effect: float) -> int:
    """Questions that show an effect of this size at 95 % with a power of 80 %, both in the score's unit.

    The normal formula with Guenther's (1981) correction for Student's t. `spread` is the standard deviation of
    the paired differences; planning by it, not by the effect seen so far, keeps luck at the start out of the plan.
    """
    quantile = float(norm.ppf(0.975))
    normal = ((quantile + float(norm.ppf(0.8))) * spread / effect) ** 2
    return math.ceil(normal + quantile**2 / 2)


def asked(count: int) -> str:
    if count > MOST_QUESTIONS:
        return f"it lies so close that more than {MOST_QUESTIONS:,} more questions would be needed"
    return f"about {count} more question{'s are' if count > 1 else ' is'} needed"


def measured(effect: Effect) -> str:
    if effect.interval is None or effect.mean is None:
        return "an unknown amount"
    return f"{effect.mean:+.3f} (95 % interval {effect.interval.low:+.3f} to {effect.interval.high:+.3f})"
