"""From a recipe to a ranker: each example's question after its passage, training, card."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import copytree

from adapters.asked import checked_examples
from adapters.base import load_tokenizer
from adapters.card import Card, write_card
from adapters.examples import ExampleError, Pool, Row, StyleExample, gold_passage
from adapters.ranking import ask
from adapters.recipe import read_ranking_recipe
from adapters.train import train
from adapters.training import card_of, configured_base, data_of, run_of
from configs.settings import Settings


def follow(path: Path, folder: Path, settings: Settings, work: Path | None) -> Card:
    """Train what the recipe says on the ranker's base; the adapter with its card goes to `folder`, NAME/VERSION.

    Examples that fail the check are refused first (DatasetRefused). Raises RecipeError, ExampleError, ModelError,
    TrainingError.
    """
    recipe, data = read_ranking_recipe(path), settings.data.folder
    check_place(folder, recipe.name)
    known = checked_examples(path, recipe, settings)
    rows, validation = (list(rows_of(some, known.seen)) for some in (known.training, known.validation))
    base, made_from = configured_base(settings.ranker, data)
    checkpoints = (work or data / "training" / recipe.name) / run_of(recipe, made_from, rows, validation)
    trained = train(recipe, base, load_tokenizer(base), rows, validation, checkpoints)
    card = card_of(recipe, made_from, ask.FORM, data_of(recipe, rows, validation), trained)
    write_card(card, trained.folder)
    copytree(trained.folder, folder)
    return card


def check_place(folder: Path, name: str) -> None:
    if folder.exists():
        raise ExampleError(f"{folder} exists already: an adapter is never overwritten. Name another folder.")
    if folder.absolute().parent.name != name:
        raise ExampleError(f"The recipe's adapter is {name!r}: write it to {name}/VERSION, not to {folder}.")


def rows_of(examples: Sequence[StyleExample], pool: Pool) -> Iterator[Row]:
    """What people asked after each passage; questions that no document answers teach nothing here."""
    for example in examples:
        if gold := gold_passage(example, pool.passages):
            yield Row(example.id, ask.messages(gold.embedded_text), ask.asked(example.question))
