"""Figures as people read them, the same in the terminal and on the page."""

from service.evaluation.break_even import BreakEven
from service.evaluation.design import Cell
from service.evaluation.effects import Effect
from service.evaluation.grid import Change
from service.evaluation.guardrails import NonInferiority
from service.evaluation.layers import layer_name
from service.evaluation.metrics.catalogue import METRICS
from service.evaluation.paired import Interval
from service.plan import FACTORS

NONE = "–"
NO_INTERVAL = f"{NONE}: under two documents tell it, or all changed alike: how others would change is not known."
CHEAP = (
    "Cheap is not good: what refuses nearly everything is quick, and its few right answers come cheap. Read the "
    "shares above."
)


def value(metric: str, number: float | None) -> str:
    """A mean in the metric's unit."""
    if number is None:
        return NONE
    return f"{number:.1%}" if METRICS[metric].unit == "share" else plain(number)


def plain(number: float | None) -> str:
    if number is None:
        return NONE
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.1f}"


def change(metric: str, number: float | None) -> str:
    """A difference: points for a share, else the metric's own unit."""
    if number is None:
        return NONE
    return f"{number * 100:+.1f}" if METRICS[metric].unit == "share" else f"{number:+,.1f}"


def unit(metric: str) -> str:
    return "points" if METRICS[metric].unit == "share" else METRICS[metric].unit


def between(metric: str, interval: Interval | None) -> str:
    if interval is None:
        return NONE
    return f"{change(metric, interval.low)} to {change(metric, interval.high)}"


def effect(metric: str, found: Effect | Change) -> str:
    """With its interval, in one line."""
    return f"{change(metric, found.mean)} ({between(metric, found.interval)})"


def chance(p: float | None) -> str:
    if p is None:
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def holds(guardrail: NonInferiority) -> str:
    if guardrail.harmed:
        return "harmed"
    return "holds" if guardrail.holds else "open"


def in_words(cell: Cell) -> str:
    """The layers that are on."""
    levels = cell.model_dump()
    named = [layer_name(factor, levels[factor], "off") for factor in FACTORS if levels[factor] != "off"]
    return listed(named) if named else "no layer at all"


def listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def break_even(even: BreakEven) -> str:
    first, other = in_words(even.cheaper), in_words(even.other)
    if even.questions is None:
        return f"Each further right answer takes the same with {first} as with {other}."
    if even.questions < 1:
        return f"A right answer takes less of the machine with {first} than with {other}, however few are asked."
    return (
        f"From {plain(even.questions)} questions a day on, a right answer takes less of the machine with {first} "
        f"than with {other}."
    )
