"""The geometry of an experiment's plots: effects, and their course over days, as places in an SVG that scales."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from adapters.scale import Scale, Tick, scale_over
from service.experiments.course import Look

WIDTH, HEIGHT = 340.0, 180.0
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Row:
    """An estimate and its interval, `low` to `high`, in the outcome's unit; `kind` says which interval it is."""

    name: str
    kind: str
    low: float
    value: float
    high: float


@dataclass(frozen=True, slots=True)
class Forest:
    """Rows and ticks as places from 0 to WIDTH; `limit` is that of the smallest effect, or of the margin."""

    marks: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    zero: float
    limit: float


@dataclass(frozen=True, slots=True)
class Axes:
    """Days across, the change of the rating upwards; an SVG counts downwards."""

    across: Scale
    up: Scale

    def point(self, day: float, value: float) -> Point:
        return self.across.place(day, WIDTH), round(HEIGHT - self.up.place(value, HEIGHT), 1)


@dataclass(frozen=True, slots=True)
class Band:
    """An interval over days: `area` and `line` are an SVG's points, `last` the newest low, value and high."""

    area: str
    line: str
    last: tuple[Point, Point, Point]
    days: tuple[Tick, ...]
    ticks: tuple[Tick, ...]
    zero: float
    limit: float


def forest(rows: Sequence[Row], limit: float) -> Forest:
    scale = scale_over([limit, *(end for row in rows for end in (row.low, row.high))])

    def place(value: float) -> float:
        return scale.place(value, WIDTH)

    return Forest(
        marks=tuple(Row(row.name, row.kind, place(row.low), place(row.value), place(row.high)) for row in rows),
        ticks=tuple(Tick(place(value), signed(value)) for value in scale.ticks()),
        zero=place(0.0),
        limit=place(limit),
    )


def band(looks: Sequence[Look], limit: float) -> Band | None:
    """None before the first look with an interval."""
    seen = list(drawable(looks))
    if not seen:
        return None
    axes = Axes(
        scale_over([looks[-1].day]), scale_over([limit, *(end for _, row in seen for end in (row.low, row.high))])
    )
    highs = [axes.point(day, row.high) for day, row in seen]
    lows = [axes.point(day, row.low) for day, row in seen]
    values = [axes.point(day, row.value) for day, row in seen]
    return Band(
        area=points([*highs, *reversed(lows)]),
        line=points(values),
        last=(lows[-1], values[-1], highs[-1]),
        days=tuple(Tick(axes.point(day, 0)[0], f"{day:g}") for day in axes.across.ticks() if day == int(day)),
        ticks=tuple(Tick(axes.point(0, value)[1], signed(value)) for value in axes.up.ticks()),
        zero=axes.point(0, 0)[1],
        limit=axes.point(0, limit)[1],
    )


def drawable(looks: Sequence[Look]) -> Iterable[tuple[int, Row]]:
    for look in looks:
        if look.difference is not None and look.always_valid is not None:
            yield look.day, Row("", "any", look.always_valid.low, look.difference, look.always_valid.high)


def points(places: Iterable[Point]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)


def signed(value: float) -> str:
    return f"{value:+g}" if value else "0"
