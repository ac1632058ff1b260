"""From a recipe to a ranker: each example's question with its passage and others, training, card."""

from collections.abc import Sequence
from pathlib import Path
from shutil import copytree

from adapters.asked import Asked, Examples, asked_of, checked_examples
from adapters.base import load_tokenizer
from adapters.card import Card, write_card
from adapters.examples import ExampleError, StyleExample
from adapters.first_tokens import first_tokens
from adapters.header import BaseFile
from adapters.ranking import ask
from adapters.ranking.group_trainer import train_groups
from adapters.ranking.groups import groups_of, rows_of
from adapters.ranking.ranker import open_ranker
from adapters.ranking.scores import scores_of
from adapters.recipe import RankingRecipe, read_as
from adapters.training import card_of, configured_base, data_of, run_of
from configs.settings import Settings
from ingest.durable import published_folder
from ingest.models import locate_file
from ingest.owner import OwnerLock


def follow(path: Path, folder: Path, settings: Settings, work: Path | None) -> Card:
    """Train what the recipe says on the ranker's base; the adapter with its card goes to `folder`, NAME/VERSION.

    Examples that fail the check are refused first (DatasetRefused). Raises RecipeError, ExampleError, ModelError,
    TrainingError, and FolderInUse where another training works in the same folder.
    """
    recipe, data = read_as(RankingRecipe, path), settings.data.folder
    check_place(folder, recipe.name)
    known, seed = checked_examples(path, recipe, settings), recipe.training.seed
    here = [*asked(known.training, known, recipe), *elsewhere(recipe, known)]
    unseen = asked(known.validation, known, recipe)
    groups, validation = (list(groups_of(some, recipe.groups, seed)) for some in (here, unseen))
    base, made_from = configured_base(settings.ranker, data)
    rows, kept = rows_of(groups), rows_of(validation)
    checkpoints = (work or data / "training" / recipe.name) / run_of(recipe, made_from, rows, kept)
    tokenizer = load_tokenizer(base)
    with OwnerLock(checkpoints):
        trained = train_groups(recipe, base, tokenizer, groups, validation, checkpoints)
    card = card_of(recipe, made_from, ask.FORM, data_of(recipe, rows, kept), trained)
    card = card.model_copy(update={"probe": first_tokens(base, trained.folder, tokenizer)})
    write_card(card, trained.folder)
    with published_folder(folder) as unfinished:
        copytree(trained.folder, unfinished)
        return scored_on(unseen, card, unfinished, settings)


def scored_on(unseen: Sequence[Asked], card: Card, folder: Path, settings: Settings) -> Card:
    """The card with the scores that the ranker gets as it serves; it is written to the folder."""
    base = BaseFile(locate_file(settings.ranker.model, settings.ranker.sha256), settings.data.folder / "cache")
    ranker = open_ranker(folder, base, base.cache, settings.engine.threads)
    scored = card.model_copy(update={"scores": scores_of(unseen, ranker)})
    write_card(scored, folder)
    return scored


def check_place(folder: Path, name: str) -> None:
    if folder.exists():
        raise ExampleError(f"{folder} exists already: an adapter is never overwritten. Name another folder.")
    if folder.absolute().parent.name != name:
        raise ExampleError(f"The recipe's adapter is {name!r}: write it to {name}/VERSION, not to {folder}.")


def asked(examples: Sequence[StyleExample], known: Examples, recipe: RankingRecipe) -> list[Asked]:
    return list(asked_of(examples, known.seen, known.embedder, recipe.groups.nearest))


def elsewhere(recipe: RankingRecipe, known: Examples) -> list[Asked]:
    """The same of other pages."""
    if (others := known.others) is None:
        return []
    return list(asked_of(others.read.examples, others.pool, known.embedder, recipe.groups.nearest))
