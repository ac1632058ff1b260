"""Trains the points of a learning curve: nested random parts of a recipe's examples, everything else the same."""

import random
import shutil
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapters.answer_scores import AnswerScore, answer_scores
from adapters.card import CurvePoint, LearningCurve
from adapters.examples import ExampleError, Row
from adapters.learning_curve import Curve, Measured, as_told, curve_file, read_curve, write_curve
from adapters.recipe import ModelRecipe
from adapters.training import Prepared, data_id, prepare, run_of, train_anew
from configs.settings import Settings
from ingest.owner import OwnerLock

# Steps: later than any training ends. Each point has all of its epochs, and is scored at their end only.
NEVER = 10**9


@dataclass(frozen=True, slots=True)
class Drawn:
    """The curve as far as it goes, the sizes for which the minutes were too few, and the file with all points."""

    curve: LearningCurve
    left: tuple[int, ...]
    file: Path


def draw(path: Path, sizes: Sequence[int], minutes: float | None, settings: Settings, work: Path | None) -> Drawn:
    """Train on so many examples each, the fewest first; points that the file has already are not made again.

    A size whose training would pass the minutes of this call, by the pace of those before, is left out; the first
    never is. Raises what `follow` raises, and ExampleError for more examples than there are.
    """
    ready = prepare(path, settings, work)
    order = shuffled(ready.rows, ready.recipe.training.seed)
    if max(sizes) > len(order):
        raise ExampleError(f"{path} has {len(order)} examples to train on, not {max(sizes)}: name smaller sizes.")
    with OwnerLock(ready.work):
        return points(ready, order, sizes, minutes)


def points(ready: Prepared, order: Sequence[str], sizes: Sequence[int], minutes: float | None) -> Drawn:
    """Of parts of the examples in this order, each kept in the curve's file as soon as it is known."""
    file = file_of(ready)
    curve = read_curve(file) or Curve(values=ready.recipe.model_dump(mode="json", include={"lora", "training"}))
    began = time.monotonic()
    missing = sorted({*sizes} - {*curve.sizes})
    for place, size in enumerate(missing):
        rows = of_examples(ready.rows, order[:size])
        ready_at = (time.monotonic() - began) / 60 + expected(curve, len(rows))
        if place and minutes is not None and ready_at > minutes:
            return Drawn(as_told(curve), tuple(missing[place:]), file)
        curve = curve.grown(measured(ready, rows, size))
        write_curve(curve, file)
    return Drawn(as_told(curve), (), file)


def shuffled(rows: Sequence[Row], seed: int) -> list[str]:
    """The examples that have rows, in the order in which they join."""
    order = list(dict.fromkeys(row.example for row in rows))
    random.Random(seed).shuffle(order)  # noqa: S311 - reproducible, not secret
    return order


def of_examples(rows: Sequence[Row], examples: Sequence[str]) -> list[Row]:
    """Their rows. An earlier turn in one may show an example that is not among them; no loss is on such words."""
    chosen = frozenset(examples)
    return [row for row in rows if row.example in chosen]


def expected(curve: Curve, rows: int) -> float:
    """Minutes, at the slowest pace so far."""
    return rows * max((one.point.minutes / one.point.rows for one in curve.measured), default=0.0)


def measured(ready: Prepared, rows: Sequence[Row], size: int) -> Measured:
    began = time.monotonic()
    folder = ready.work / f"point-{size}"
    values = ready.recipe.training
    trained = train_anew(ready, without_evaluations(ready.recipe), rows, folder)
    found = answer_scores(
        ready.base, trained.folder, ready.tokenizer, ready.validation, values.choice_tokens, values.choice_weight
    )
    shutil.rmtree(folder)
    examples = by_example(ready.validation, found)
    loss, score = (float(value) for value in np.mean(list(examples.values()), axis=0))
    minutes = (time.monotonic() - began) / 60
    point = CurvePoint(examples=size, rows=len(rows), steps=trained.steps, loss=loss, score=score, minutes=minutes)
    return Measured(point=point, examples=examples)


def without_evaluations(recipe: ModelRecipe) -> ModelRecipe:
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"evaluate_every": NEVER})})


def by_example(rows: Sequence[Row], found: Sequence[AnswerScore]) -> dict[str, tuple[float, float]]:
    """The means of each example's rows: they rise and fall together."""
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row, score in zip(rows, found, strict=True):
        groups[row.example].append((score.loss, score.right))
    means = {name: np.mean(values, axis=0) for name, values in groups.items()}
    return {name: (float(loss), float(right)) for name, (loss, right) in means.items()}


def file_of(ready: Prepared) -> Path:
    """Of these rows and values: any others make another curve."""
    run = run_of(without_evaluations(ready.recipe), ready.made_from, ready.rows, ready.validation)
    return curve_file(ready.work, data_id(ready), run)
