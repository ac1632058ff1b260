"""Successive halving: how long each round's trials last, which of them go on, and which is best in the end."""

import math
from collections.abc import Sequence

from adapters.card import Trial


def affordable(steps: Sequence[float], minutes: float, pace: float) -> float:
    """The share of their steps for which all can be trained at `pace` minutes a step, where this round and each one
    to come has as many of the minutes.
    """
    return min(minutes / rounds(len(steps)) / (pace * sum(steps)), longest(len(steps)))


def rounds(alive: int) -> int:
    """Until one is left."""
    return (alive - 1).bit_length()


def longest(alive: int) -> float:
    """A half in the last round, a quarter before: the one left doubles it to a whole training."""
    return float(0.5 ** rounds(alive))


def better_half(scores: Sequence[float | None]) -> list[int]:
    """The places of those that stay, the best (least) first. None, what diverged, does not."""
    ranked = sorted((score, place) for place, score in enumerate(scores) if score is not None)
    return [place for _, place in ranked[: math.ceil(len(scores) / 2)]]


def best(trials: Sequence[Trial]) -> Trial | None:
    """Of those trained farthest, the one of the least score; None where all diverged."""
    scored = [(-trial.share, trial.score, place) for place, trial in enumerate(trials) if trial.score is not None]
    return trials[min(scored)[2]] if scored else None
