"""An experiment's figures as people read them, the same in the terminal and on the page."""

from collections.abc import Iterable, Iterator, Mapping

from service.experiments.guardrails import Guardrail
from service.experiments.sequential import SRM_ALARM, TestedInterval

UNITS = {
    "rating": "rating (-1 to 1)",
    "escalated": "escalated",
    "follow_up_needed": "still open",
    "latency_ms": "ms",
}
NONE = "–"


def between(metric: str, interval: TestedInterval | None) -> str:
    return f"{signed(metric, interval.low)} to {signed(metric, interval.high)}" if interval else NONE


def signed(metric: str, value: float | None) -> str:
    """A difference, in the metric's unit."""
    if value is None:
        return NONE
    return f"{value:+,.0f}" if metric == "latency_ms" else f"{value:+.3f}"


def number(metric: str, value: float | None) -> str:
    """A mean, in the metric's unit."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if metric == "latency_ms" else f"{value:.3f}"


def chance(p: float | None) -> str:
    if p is None:
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def bound(guardrail: Guardrail) -> str:
    if guardrail.bound is None:
        return NONE
    low, high = guardrail.bound
    return f"{low:+.3f} to {high:+.3f}"


def count(number: int, noun: str) -> str:
    """`1 user`, `2 users`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def sizes_sentence(p: float, what: str = "arms") -> str:
    """`p` is that of a sample ratio mismatch."""
    if p >= SRM_ALARM:
        return f"The {what}' sizes fit their shares (p = {p:.3g}; the alarm is at {SRM_ALARM:g})."
    return (
        f"The {what}' sizes do not fit their shares (p = {p:.3g}, below {SRM_ALARM:g}): believe no effect before "
        "it is explained. Look for answers that fail or are left out in one arm only, and for changed shares."
    )


def mixed_sentences(arms: Iterable[tuple[str, Mapping[str, int]]]) -> Iterator[str]:
    """For each arm whose layer held more than one thing, as where an adapter was promoted under its bare name."""
    for arm, makers in arms:
        if len(makers) > 1:
            told = ", ".join(f"{maker} ({count(answers, 'answer')})" for maker, answers in makers.items())
            yield (
                f"In the layer of {arm} stood, one after the other: {told}. The figures mix them. Name one of "
                "them in the arm, such as NAME@2 for an adapter, and raise bucket_version: then it counts anew."
            )
