"""The geometry of a card's pictures: lines over steps or examples, as places in an SVG that scales."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 480, 200
TICKS = 4

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """`lines` by name as SVG has points, x from the left and y from the top."""

    lines: Mapping[str, str]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


def plot(lines: Mapping[str, Points]) -> Plot | None:
    """From 0 to the largest x; over all values of y with some room. None where no line has two points."""
    drawn = {name: points for name, points in lines.items() if len(points) > 1}
    if not drawn:
        return None
    every = [point for points in drawn.values() for point in points]
    right = max(x for x, _ in every)
    low, high = min(y for _, y in every), max(y for _, y in every)
    room = (high - low or abs(high) or 1) * 0.05
    low, high = low - room, high + room

    def place(x: float, y: float) -> tuple[float, float]:
        return WIDTH * x / right, HEIGHT * (high - y) / (high - low)

    return Plot(
        {name: " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*one) for one in drawn[name])) for name in drawn},
        tuple(Tick(WIDTH * one, f"{right * one:,.0f}") for one in shares()),
        tuple(Tick(HEIGHT * (1 - one), f"{low + (high - low) * one:.3g}") for one in shares()),
    )


def shares() -> list[float]:
    return [number / TICKS for number in range(TICKS + 1)]
