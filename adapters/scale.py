"""A plot's axis: a few round ticks around all values, and the place of each value between them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_STEPS = 6
# A sum of steps misses a round number by less than this part of a step.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high`, both whole steps; `step` is 1, 2 or 5 times a power of ten."""

    low: float
    high: float
    step: float

    def place(self, value: float, length: float) -> float:
        """From 0 to `length`."""
        return round((value - self.low) / (self.high - self.low) * length, 1)

    def ticks(self) -> list[float]:
        count = round((self.high - self.low) / self.step)
        return [round(self.low + index * self.step, 10) for index in range(count + 1)]


def scale_over(values: Iterable[float]) -> Scale:
    """The whole steps around all values, and around 0."""
    return scale_around([0.0, *values])


def scale_around(values: Sequence[float]) -> Scale:
    """The whole steps around all values."""
    step = step_for(max(values) - min(values))
    low = math.floor(min(values) / step + ROUNDING)
    high = math.ceil(max(values) / step - ROUNDING)
    return Scale(low * step, max(high, low + 1) * step, step)


def step_for(reach: float) -> float:
    """So that at most MOST_STEPS are within the reach; 1 without any."""
    if not reach > 0:
        return 1.0
    least = reach / MOST_STEPS
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= least * (1 - ROUNDING))
