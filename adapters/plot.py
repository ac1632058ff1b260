"""The geometry of a card's pictures: lines over steps or examples, as places in an SVG that scales."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.scale import Tick, scale_around, scale_over

WIDTH, HEIGHT = 480, 200

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Plot:
    """`lines` by name as SVG has points, x from the left and y from the top."""

    lines: Mapping[str, str]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


def plot(lines: Mapping[str, Points]) -> Plot | None:
    """x from 0, y around all values. None where no line has two points."""
    drawn = {name: points for name, points in lines.items() if len(points) > 1}
    if not drawn:
        return None
    every = [point for points in drawn.values() for point in points]
    across, up = scale_over(x for x, _ in every), scale_around([y for _, y in every])

    def place(x: float, y: float) -> tuple[float, float]:
        return across.place(x, WIDTH), HEIGHT - up.place(y, HEIGHT)

    return Plot(
        {name: " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in drawn[name]) for name in drawn},
        tuple(Tick(across.place(one, WIDTH), f"{one:,g}") for one in across.ticks()),
        tuple(Tick(HEIGHT - up.place(one, HEIGHT), f"{one:g}") for one in up.ticks()),
    )
