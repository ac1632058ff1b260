"""A forest plot's geometry: effects with intervals as places on a line, for an SVG that scales."""

from collections.abc import Iterable
from dataclasses import dataclass

from service.evaluation.effects import Effect

WIDTH = 360.0


@dataclass(frozen=True, slots=True)
class Mark:
    """Places from 0 to WIDTH; `low` to `high` is the interval."""

    name: str
    kind: str
    low: float
    at: float
    high: float


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    points: int


@dataclass(frozen=True, slots=True)
class Forest:
    """`useful` is the place of the smallest useful effect, where the layers share one."""

    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    zero: float
    useful: float | None


def forest(effects: Iterable[tuple[str, Effect]], useful: float | None) -> Forest:
    """Effects without an interval are left out: there is nothing to draw."""
    drawn = [(name, effect) for name, effect in effects if effect.interval is not None]
    ends = [end for _, one in drawn if one.interval for end in (one.interval.low, one.interval.high)]
    values = [*ends, 0.0, useful or 0.0]
    step = step_for(max(values) - min(values))
    low, high = bounds(values, step)

    def place(value: float) -> float:
        return round((value * 100 - low) / (high - low) * WIDTH, 1)

    return Forest(
        marks=tuple(
            Mark(name, one.kind, place(one.interval.low), place(one.mean), place(one.interval.high))
            for name, one in drawn
            if one.interval is not None and one.mean is not None
        ),
        ticks=tuple(Tick(place(points / 100), points) for points in range(low, high + 1, step)),
        zero=place(0.0),
        useful=None if useful is None else place(useful),
    )


def step_for(reach: float) -> int:
    """Points between two ticks, so that there are few of them."""
    return next((step for step in (5, 10, 20, 50) if reach * 100 <= 8 * step), 50)


def bounds(values: list[float], step: int) -> tuple[int, int]:
    """The whole steps around all values, in points."""
    low = int(min(values) * 100 // step) * step
    high = -int(-max(values) * 100 // step) * step
    return low, max(high, low + step)
