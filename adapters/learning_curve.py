"""The learning curve: what more examples have brought, whether that goes on, and the file that keeps its points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.stats import t

from adapters.card import CurvePoint, LearningCurve, Part
from adapters.examples import ExampleError
from ingest.durable import replace_text

Scores = NDArray[np.float64]

HELD = "validation rows, seed, epochs and all other values; no early stop; smaller sets are parts of larger ones"
LEVEL = 0.95
# A point of the score, of which there are a hundred.
POINT = 0.01


class Measured(Part):
    """A point, and what it is the mean of: loss and score of each validation example."""

    point: CurvePoint
    examples: Mapping[str, tuple[float, float]]


class Curve(Part):
    """`values` are the recipe's that all points share; the smallest point comes first."""

    values: Mapping[str, Any]
    measured: tuple[Measured, ...] = ()

    def grown(self, one: Measured) -> "Curve":
        points = sorted((*self.measured, one), key=lambda each: each.point.examples)
        return self.model_copy(update={"measured": tuple(points)})

    @property
    def sizes(self) -> list[int]:
        return [one.point.examples for one in self.measured]


@dataclass(frozen=True, slots=True)
class Gain:
    """Of the score from `before` to `after` examples, with Student's interval over `over` validation examples."""

    before: int
    after: int
    mean: float
    low: float
    high: float
    over: int


def curve_file(folder: Path, data: str, run: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"learning-curve-{data}-{run}.json"


def newest_curve(folder: Path, data: str) -> Curve | None:
    """Of the same rows on the same base, whatever the recipe's other values were."""
    files = folder.glob(f"learning-curve-{data}-*.json")
    newest = max(files, key=lambda file: file.stat().st_mtime_ns, default=None)
    return read_curve(newest) if newest else None


def read_curve(path: Path) -> Curve | None:
    """None where there is none yet; raises ExampleError for a file that is no curve."""
    try:
        return Curve.model_validate_json(path.read_bytes()) if path.is_file() else None
    except ValidationError as error:
        raise ExampleError(
            f"{path} is no learning curve: {error}\nDelete it; its points are trained again."
        ) from error


def write_curve(curve: Curve, path: Path) -> None:
    replace_text(path, curve.model_dump_json(indent=1) + "\n")


def as_told(curve: Curve) -> LearningCurve:
    """For a card: the points and the sentence, without every example."""
    points = tuple(one.point for one in curve.measured)
    return LearningCurve(values=dict(curve.values), held=HELD, points=points, finding=finding(curve.measured))


def finding(measured: Sequence[Measured]) -> str:
    """Do more examples still help?

    The interval is over validation examples, not over trainings: there is one of each size.
    """
    gain = last_gain(measured)
    if gain is None:
        return "Whether more examples help cannot be told: that takes two sizes and two validation examples."
    change = f"from {gain.before} to {gain.after} examples the score changed by {in_points(gain.mean)} points"
    told = f"{change} ({in_points(gain.low)} to {in_points(gain.high)}, over {gain.over} validation examples)."
    if gain.high < 0:
        return f"More examples made it worse: {told}"
    if gain.low <= 0:
        return f"It cannot be told whether more examples still help: {told}"
    more = next_point(measured, gain)
    if more is None:
        return (
            f"More examples still help: {told} How many more the next point takes cannot be told from these sizes."
        )
    return f"More examples still help: {told} About {more} more examples for the next point."


def last_gain(measured: Sequence[Measured]) -> Gain | None:
    """From the largest size that is at most half of the last one, or else from the first."""
    if len(measured) < 2 or len(measured[-1].examples) < 2:
        return None
    last = measured[-1]
    halves = [one for one in measured if 2 * one.point.examples <= last.point.examples]
    before = halves[-1] if halves else measured[0]
    changes = np.diff(scores([before, last]), axis=0)[0]
    error = changes.std(ddof=1) / np.sqrt(len(changes))
    reach = float(t.ppf((1 + LEVEL) / 2, len(changes) - 1) * error)
    mean = float(changes.mean())
    return Gain(before.point.examples, last.point.examples, mean, mean - reach, mean + reach, len(changes))


def next_point(measured: Sequence[Measured], gain: Gain) -> int | None:
    """Examples until the score is a point higher, by a straight line over the logarithm of the sizes.

    None where that says little: fewer than three sizes, a last gain that the line does not meet (the curve
    bends), or more than one doubling away.
    """
    if len(measured) < 3:
        return None
    sizes = np.log2([one.point.examples for one in measured])
    slope = float(np.polyfit(sizes, scores(measured).mean(axis=1), 1)[0])
    met = gain.low <= slope * log2(gain.after / gain.before) <= gain.high
    if not met or slope < POINT:
        return None
    more = gain.after * (2 ** (POINT / slope) - 1)
    return max(10, round(more / 10) * 10)


def scores(measured: Sequence[Measured]) -> Scores:
    """(points, validation examples)"""
    names = sorted(measured[-1].examples)
    return np.array([[one.examples[name][1] for name in names] for one in measured])


def in_points(share: float) -> str:
    return f"{share * 100:+.1f}"
