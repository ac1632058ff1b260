"""What each layer changes: main effects, interactions and Shapley shares of a 2 x 2 x 2 run, paired by question."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.evaluation.paired import (
    Differences,
    FloatArray,
    Interval,
    bca_interval,
    cautious,
    differences,
    holm,
    sign_flip_p,
    t_interval,
)
from service.plan import FACTORS

Kind = Literal["main", "interaction", "shapley", "alone", "last", "total"]
TESTED: tuple[Kind, ...] = ("main", "interaction")

CHANGE, MEAN = np.array([-1.0, 1.0]), np.array([0.5, 0.5])
OFF, ON = np.array([1.0, 0.0]), np.array([0.0, 1.0])


@dataclass(frozen=True, slots=True)
class Contrast:
    """Weights (2, 2, 2) of the cells, indexed by prompt, retrieval, adapter; 1 is on."""

    kind: Kind
    name: str
    weights: FloatArray

    @property
    def most(self) -> float:
        """What it can be for one question whose scores are 0 and 1: more than 1 for an interaction."""
        return float(self.weights.clip(0).sum())


@dataclass(frozen=True, slots=True)
class Effect:
    """One contrast, in the score's unit; None where too few questions were complete.

    `interval` is Student's, 95 %: in simulated runs it covered 95 of 100 from 20 questions on; it needs no seed.
    Where no group differed from another it is the rule of three's.
    `bootstrap` (BCa, 92 to 94 of 100 under 60 questions) stands beside it: where they disagree, the differences are
    skewed and the questions too few. `p` is from sign flips; `p_holm` is adjusted within its family (three main
    effects; four interactions).
    """

    kind: Kind
    name: str
    mean: float | None
    interval: Interval | None
    bootstrap: Interval | None
    p: float | None
    p_holm: float | None
    spread: float | None
    questions: int
    groups: int


@dataclass(frozen=True, slots=True)
class Effects:
    """`left_out` questions lack a score in some cell and are in no contrast; the reasons are with the scores."""

    questions: int
    left_out: int
    groups: int
    effects: tuple[Effect, ...]

    def of(self, kind: Kind) -> dict[str, Effect]:
        return {effect.name: effect for effect in self.effects if effect.kind == kind}


def estimate(scores: FloatArray, groups: Sequence[str] | None = None, seed: int = 0) -> Effects:
    """All contrasts of one metric.

    Scores are (questions, 2, 2, 2) over prompt, retrieval, adapter (0 off, 1 on), from 0 to 1, NaN where missing;
    with repeats, give their mean. `groups` names each question's source document. Raises ValueError for another
    shape, or for an infinite score.
    """
    values, complete = contrast_values(scores)
    names = None if groups is None else [name for name, there in zip(groups, complete, strict=True) if there]
    sample = differences(values, names)
    rows = tuple(inferred(sample, seed) if sample.groups > 1 else bare(sample))
    return Effects(sample.questions, len(scores) - sample.questions, sample.groups, rows)


def estimate_by_type(
    scores: FloatArray,
    types: Sequence[str],
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> dict[str, Effects]:
    """The same for each question type, declared before the run; adjusted inside a type only, so read as a hint."""
    labels = np.asarray(types, dtype=str)
    if len(labels) != len(scores):
        raise ValueError(f"Expected a type for each of {len(scores)} questions, got {len(labels)}.")
    sources = None if groups is None else np.asarray(groups, dtype=str)
    return {
        str(label): estimate(
            scores[labels == label], None if sources is None else sources[labels == label].tolist(), seed
        )
        for label in dict.fromkeys(types)
    }


def contrast_values(scores: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Every contrast of every complete question (complete, contrasts), and which questions are complete."""
    if scores.ndim != 4 or scores.shape[1:] != (2, 2, 2):
        raise ValueError(f"Expected scores of shape (questions, 2, 2, 2), got {scores.shape}.")
    if np.isinf(scores).any():
        raise ValueError("Expected finite scores or NaN for a missing one, got an infinite score.")
    cells = scores.reshape(len(scores), 8)
    complete = np.asarray(~np.isnan(cells).any(axis=1))
    weights = np.column_stack([contrast.weights.ravel() for contrast in contrasts()])
    return cells[complete] @ weights, complete


def contrasts() -> tuple[Contrast, ...]:
    """Yates' contrasts, simple effects, and Shapley values of the three layers (Shapley 1953)."""
    every = FACTORS
    pairs = [*combinations(every, 2), every]
    triple = crossed(every, MEAN)
    return (
        *(Contrast("main", one, crossed((one,), MEAN)) for one in every),
        *(Contrast("interaction", " x ".join(some), crossed(some, MEAN)) for some in pairs),
        *(Contrast("shapley", one, crossed((one,), MEAN) + triple / 12) for one in every),
        *(Contrast("alone", one, crossed((one,), OFF)) for one in every),
        *(Contrast("last", one, crossed((one,), ON)) for one in every),
        Contrast("total", "all on - all off", total()),
    )


def crossed(changed: Sequence[str], others: FloatArray) -> FloatArray:
    """On minus off in the changed factors, the others averaged or held: (2, 2, 2)."""
    prompt, retrieval, adapter = (CHANGE if factor in changed else others for factor in FACTORS)
    return np.asarray(np.einsum("i,j,k->ijk", prompt, retrieval, adapter))


def total() -> FloatArray:
    return np.asarray(np.einsum("i,j,k->ijk", ON, ON, ON) - np.einsum("i,j,k->ijk", OFF, OFF, OFF))


def inferred(sample: Differences, seed: int) -> Iterator[Effect]:
    student, bootstrap = t_interval(sample), bca_interval(sample, seed=seed)
    p_values = sign_flip_p(sample, seed=seed)
    adjusted = adjusted_by_family(p_values)
    for index, contrast in enumerate(contrasts()):
        tested, spread = contrast.kind in TESTED, float(sample.spread[index])
        yield Effect(
            kind=contrast.kind,
            name=contrast.name,
            mean=float(sample.mean[index]),
            interval=cautious(Interval(*map(float, student[index])), spread, sample.groups, contrast.most),
            bootstrap=Interval(*map(float, bootstrap[index])),
            p=float(p_values[index]) if tested else None,
            p_holm=adjusted.get(index),
            spread=spread,
            questions=sample.questions,
            groups=sample.groups,
        )


def adjusted_by_family(p_values: FloatArray) -> dict[int, float]:
    """Holm over the main effects, and over the interactions; by the contrast's index."""
    adjusted: dict[int, float] = {}
    for kind in TESTED:
        family = [index for index, contrast in enumerate(contrasts()) if contrast.kind == kind]
        adjusted.update(zip(family, holm(p_values[family].tolist()), strict=True))
    return adjusted


def bare(sample: Differences) -> Iterator[Effect]:
    """Means without inference: one group says nothing about the others."""
    means = sample.mean if sample.questions else [None] * len(contrasts())
    for contrast, mean in zip(contrasts(), means, strict=True):
        value = None if mean is None else float(mean)
        counts = sample.questions, sample.groups
        yield Effect(contrast.kind, contrast.name, value, None, None, None, None, None, *counts)
