"""Rank, rate and epochs by trials within a time budget: all for a little, the better half for longer, and so on."""

import hashlib
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from transformers import set_seed

from adapters.card import Trial
from adapters.halving import affordable, best, better_half, longest, rounds
from adapters.recipe import Candidates, ModelRecipe, RecipeError, of_rank, read_recipe
from adapters.registry import AdapterVersion
from adapters.train import Trained
from adapters.training import Prepared, prepare, run_of, train_anew, version_of
from adapters.training_errors import Diverged, TrainingError
from configs.settings import Settings
from ingest.durable import append_entry, read_entries
from ingest.owner import OwnerLock

# After fewer steps the loss says little.
LEAST_STEPS = 10


def follow_best(path: Path, settings: Settings, work: Path | None, processes: int = 1) -> AdapterVersion:
    """Choose among the recipe's candidates, then train with what was chosen; the card tells the trials.

    Trials run in this process; only the training itself is shared by `processes`.

    The candidates' minutes are for the trials; the training comes after them. Raises RecipeError where there are no
    candidates, TrainingError where the minutes are too few or all trials diverge, and what `follow` raises.
    """
    candidates = read_recipe(path).search
    if candidates is None:
        raise RecipeError(
            f"{path} has no `search`: give it `minutes`, and lists of `rank`, `learning_rate`, `epochs`."
        )
    ready = prepare(path, settings, work, processes)
    with OwnerLock(ready.work):
        trials = halve(ready, candidates)
        chosen = best(trials)
        if chosen is None:
            raise TrainingError("Every trial diverged: list lower values of search.learning_rate.")
        recipe = with_values(ready.recipe, chosen.rank, chosen.learning_rate, chosen.epochs)
        set_seed(recipe.training.seed)
        return version_of(replace(ready, recipe=recipe), trials, processes)


def halve(ready: Prepared, candidates: Candidates) -> list[Trial]:
    """Successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943) by the loss that training stops early by.

    In each round all that are still in are trained anew for the same share of their epochs, each with the whole
    course of its rate, and the better half stays. Finished trials are kept: a killed search goes on after them.
    Where the minutes are over no other trial begins, so they are exceeded by one trial at most.
    """
    log = log_of(ready, candidates)
    pace, *trials = trials_in(log) or [kept(log, paced(ready))]
    alive, begun, share = combinations(ready.recipe, candidates), 0, 0.0
    while len(alive) > 1:
        known = trials[begun : begun + len(alive)]
        longer = known[0].share if known else share_of(ready, alive, candidates.minutes, [pace, *trials])
        if longer <= share:
            break
        share = longer
        for recipe in alive[len(known) :]:
            if spent([pace, *trials]) >= candidates.minutes:
                return trials
            trials.append(kept(log, tried(ready, recipe, share)))
        scores = [trial.score for trial in trials[begun : begun + len(alive)]]
        alive, begun = [alive[place] for place in better_half(scores)], begun + len(alive)
    return trials


def share_of(ready: Prepared, alive: Sequence[ModelRecipe], minutes: float, finished: Sequence[Trial]) -> float:
    """Of their epochs, for the next round. Raises TrainingError where the first one would be too short."""
    steps = [steps_of(one, len(ready.rows)) for one in alive]
    pace = spent(finished) / sum(one.steps for one in finished)
    share = affordable(steps, minutes - spent(finished), pace)
    first, needed = len(finished) == 1, LEAST_STEPS / max(steps)
    if first and share < min(needed, longest(len(steps))):
        enough = needed * sum(steps) * pace * rounds(len(steps)) + spent(finished)
        raise TrainingError(
            f"In {minutes:g} minutes {len(alive)} combinations get fewer than {LEAST_STEPS} steps each. "
            f"Let search.minutes be about {math.ceil(enough)}, or list fewer values."
        )
    return share


def combinations(recipe: ModelRecipe, candidates: Candidates) -> list[ModelRecipe]:
    values = product(
        candidates.rank or (recipe.lora.rank,),
        candidates.learning_rate or (recipe.training.learning_rate,),
        candidates.epochs or (recipe.training.epochs,),
    )
    return [with_values(recipe, *these) for these in values]


def with_values(recipe: ModelRecipe, rank: int, learning_rate: float, epochs: float) -> ModelRecipe:
    training = recipe.training.model_copy(update={"learning_rate": learning_rate, "epochs": epochs})
    return recipe.model_copy(update={"lora": of_rank(recipe.lora, rank), "training": training})


def paced(ready: Prepared) -> Trial:
    """A few steps of the recipe as it is, only to know how long one takes."""
    return tried(ready, ready.recipe, LEAST_STEPS / steps_of(ready.recipe, len(ready.rows)))


def tried(ready: Prepared, recipe: ModelRecipe, share: float) -> Trial:
    values = recipe.training
    short = recipe.model_copy(update={"training": values.model_copy(update={"epochs": values.epochs * share})})
    folder = ready.work / f"trial-{run_of(short, ready.made_from, ready.rows, ready.validation)}"
    began = time.monotonic()
    try:
        trained = train_anew(ready, short, ready.rows, folder)
        steps, score = trained.steps, score_of(trained)
    except Diverged:
        steps, score = round(share * steps_of(recipe, len(ready.rows))), None
    shutil.rmtree(folder)
    return Trial(
        rank=recipe.lora.rank,
        learning_rate=values.learning_rate,
        epochs=values.epochs,
        share=share,
        steps=steps,
        score=score,
        minutes=(time.monotonic() - began) / 60,
    )


def score_of(trained: Trained) -> float | None:
    """The last loss on the validation rows: that of the weights that are kept."""
    last = [entry["eval_loss"] for entry in trained.losses if "eval_loss" in entry][-1]
    return last if math.isfinite(last) else None


def steps_of(recipe: ModelRecipe, rows: int) -> float:
    """Of a whole training."""
    return math.ceil(rows / recipe.training.batch_size) * recipe.training.epochs


def spent(trials: Sequence[Trial]) -> float:
    return sum(trial.minutes for trial in trials)


def log_of(ready: Prepared, candidates: Candidates) -> Path:
    """A search goes on after its own trials only: with other minutes its rounds have another length."""
    run = run_of(ready.recipe, ready.made_from, ready.rows, ready.validation)
    whole = run + candidates.model_dump_json()
    ready.work.mkdir(parents=True, exist_ok=True)
    return ready.work / f"search-{hashlib.sha256(whole.encode()).hexdigest()[:12]}.jsonl"


def kept(log: Path, trial: Trial) -> Trial:
    append_entry(log, trial.model_dump())
    return trial


def trials_in(log: Path) -> list[Trial]:
    return [Trial.model_validate(entry) for entry in read_entries(log)]
