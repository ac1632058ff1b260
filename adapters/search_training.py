"""From a recipe to an adapter for the embedder: pool, questions with their passages, training, card."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple
from importlib.metadata import version
from pathlib import Path
from shutil import copytree

import numpy as np

from adapters.asked import Asked, asked_of, checked_examples
from adapters.examples import ExampleError, Pool
from adapters.precision import machine
from adapters.recipe import SearchRecipe, read_as
from adapters.tune import Tuned, tune
from configs.settings import Settings
from ingest.durable import published_folder
from ingest.embed import Embedder
from ingest.embed_adapter import ADAPTER_WEIGHTS, CARD, CONFIG, EmbedderCard
from ingest.models import WEIGHTS, file_sha256, locate
from ingest.owner import OwnerLock
from ingest.records import now

LIBRARIES = ("torch", "transformers", "peft", "sentence-transformers")
# The share of the questions that can be answered which the proposed bound lets through.
LET_THROUGH = 0.95


def tuned(path: Path, folder: Path, settings: Settings, work: Path | None) -> EmbedderCard:
    """Train what the recipe says on the configured embedder, and write the adapter with its card to `folder`.

    Examples that fail the check are refused first (DatasetRefused). Raises RecipeError, ExampleError, ModelError,
    and FolderInUse where another training works in the same folder.
    """
    if folder.exists():
        raise ExampleError(f"{folder} exists already: an adapter is never overwritten. Name another folder.")
    recipe = read_as(SearchRecipe, path)
    known, others = checked_examples(path, recipe, settings), recipe.training.hard_negatives
    asked, unseen = (
        list(asked_of(some, known.seen, known.embedder, others)) for some in (known.training, known.validation)
    )
    check_both_kinds(asked, unseen)
    source = locate(settings.embedder.model, settings.embedder.sha256)
    checkpoints = (work or settings.data.folder / "training" / "search") / run_of(recipe, source, asked)
    with OwnerLock(checkpoints):
        made = tune(recipe, source, asked, checkpoints)
    unscored = card_of(recipe, source, asked, made)
    write_card(unscored, made.folder)
    after = Embedder(source, settings.embedder.batch_size, adapter=made.folder)
    scores = {
        name: scores_of(unseen, known.seen, one) for name, one in (("without", known.embedder), ("with", after))
    }
    card = unscored.model_copy(update={"scores": scores})
    write_card(card, made.folder)
    with published_folder(folder) as unfinished:
        copytree(made.folder, unfinished)
    return card


def check_both_kinds(*splits: Sequence[Asked]) -> None:
    """Raises ExampleError where training or its scores would have nothing to compare."""
    for name, asked in zip(("training", "validation"), splits, strict=True):
        answered = sum(one.answering is not None for one in asked)
        if not 0 < answered < len(asked):
            raise ExampleError(
                f"The {name} examples need questions with and without an answer; {answered} of {len(asked)} have "
                "one. Add refusals (every tenth goes to validation), or name validation documents with examples."
            )


def write_card(card: EmbedderCard, folder: Path) -> None:
    (folder / CARD).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")


def scores_of(asked: Sequence[Asked], pool: Pool, embedder: Embedder) -> dict[str, float]:
    """How often a question's passage is the nearest, and among three; how well the nearest one's cosine tells
    questions with an answer from those without (area under the curve); and the bound that lets nearly all through.
    """
    texts = [passage.embedded_text for passage in pool.passages]
    cosines = embedder.embed_queries([one.question for one in asked]) @ embedder.embed(texts).T
    has_answer = np.array([one.answering is not None for one in asked])
    gold = np.array([texts.index(one.answering) for one in asked if one.answering])
    known = cosines[has_answer]
    ranks = (known > known[np.arange(len(gold)), gold][:, None]).sum(axis=1)
    near, far = known.max(axis=1), cosines[~has_answer].max(axis=1)
    return {
        "first": round(float((ranks == 0).mean()), 3),
        "among three": round(float((ranks < 3).mean()), 3),
        "answerable, area": round(float((near[:, None] > far).mean()), 3),
        "bound": round(float(np.quantile(near, 1 - LET_THROUGH)), 2),
    }


def run_of(recipe: SearchRecipe, embedder: Path, asked: Sequence[Asked]) -> str:
    """A run goes on from its own checkpoints only: any other values or questions make another one."""
    whole = json.dumps(
        [recipe.model_dump_json(exclude={"data"}), file_sha256(embedder / WEIGHTS), sha256_of(asked)]
    )
    return hashlib.sha256(whole.encode()).hexdigest()[:12]


def sha256_of(asked: Sequence[Asked]) -> str:
    return hashlib.sha256(json.dumps([astuple(one) for one in asked]).encode()).hexdigest()


def card_of(recipe: SearchRecipe, embedder: Path, asked: Sequence[Asked], made: Tuned) -> EmbedderCard:
    return EmbedderCard(
        created=now(),
        embedder_sha256=file_sha256(embedder / WEIGHTS),
        weights_sha256=file_sha256(made.folder / ADAPTER_WEIGHTS),
        config_sha256=file_sha256(made.folder / CONFIG),
        rows_sha256=sha256_of(asked),
        questions=len(asked),
        held_back=recipe.data.held_back,
        recipe=recipe.model_dump(mode="json", exclude={"data"}),
        libraries={name: version(name) for name in LIBRARIES},
        machine=machine(),
        minutes=round(made.minutes, 1),
        scores={},
    )
