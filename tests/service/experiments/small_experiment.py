"""A small experiment on the adapter, and answers of made-up users in it."""

from dataclasses import replace
from typing import Any

import numpy as np

from service.experiments.assign import Arm, Experiment
from service.outcomes import ExposedOutcome, Rating

EXPERIMENT = Experiment("spring", "adapter", "s", 1.0, (Arm("old", "off", 0.5), Arm("new", "on", 0.5)))


def answer(unit: str, arm: str, rating: Rating | None = None, day: int = 1, **changes: Any) -> ExposedOutcome:
    at = f"2026-03-{day:02}T10:00:00+00:00"
    made = ExposedOutcome("spring", unit, arm, f"m-{unit}-{day}", at, 200.0, rating, (), False, False, False)
    return replace(made, **changes)


def study(users: int, share_up: dict[str, float], seed: int = 0, days: int = 20) -> list[ExposedOutcome]:
    """`users` an arm with one answer each, over so many days."""
    chance = np.random.default_rng(seed)
    return [
        answer(f"{arm}{number}", arm, "up" if chance.random() < share else "down", 1 + number * days // users)
        for arm, share in share_up.items()
        for number in range(users)
    ]


def crossed_experiments(**changes: object) -> list[Experiment]:
    """One on the prompt, `short` or `long`, beside the one on the adapter."""
    arms = (Arm("long", "off", 0.5), Arm("short", "on", 0.5))
    return [replace(Experiment("june", "prompt", "p", 1.0, arms), **changes), EXPERIMENT]  # type: ignore[arg-type]


def crossed_study(
    users: int, chances: dict[tuple[str, str], float], seed: int = 0
) -> dict[str, list[ExposedOutcome]]:
    """`users` in each combination (prompt's arm, adapter's arm), with one answer each that both had a part in."""
    chance = np.random.default_rng(seed)
    made: dict[str, list[ExposedOutcome]] = {"june": [], "spring": []}
    for (prompt, adapter), liked in chances.items():
        for number in range(users):
            rating: Rating = "up" if chance.random() < liked else "down"
            one = answer(f"{prompt}-{adapter}-{number}", adapter, rating, 1 + number * 20 // users)
            made["spring"].append(one)
            made["june"].append(replace(one, experiment="june", arm=prompt))
    return made
