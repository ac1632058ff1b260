"""From a recipe to a ranker: each example's question after its passage, training, card."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import copytree

from adapters.base import dequantised, load_tokenizer
from adapters.card import Card, TrainingData, write_card
from adapters.examples import ExampleError, Pool, Row, StyleExample, gold_passage, read_examples, split_examples
from adapters.pool import seen_of, split_pool
from adapters.ranking import ask
from adapters.recipe import read_ranking_recipe
from adapters.train import train
from adapters.training import base_of, card_of, rows_sha256, run_of
from configs.settings import Settings
from ingest.build import embedder_of
from ingest.models import file_sha256, locate


def follow(path: Path, folder: Path, settings: Settings, work: Path | None) -> Card:
    """Train what the recipe says on the ranker's base; the adapter with its card goes to `folder`, NAME/VERSION.

    Raises RecipeError, ExampleError, ModelError, TrainingError.
    """
    recipe, data = read_ranking_recipe(path), settings.data.folder
    check_place(folder, recipe.name)
    embedder, splitter = embedder_of(settings, adapted=False), settings.splitter
    pool = split_pool(recipe.data.documents, embedder, splitter.max_tokens, splitter.overlap_tokens)
    seen = seen_of(recipe.data, pool)
    examples = read_examples(recipe.data.examples)
    splits = split_examples(examples, frozenset(recipe.data.validation), frozenset(recipe.data.held_back))
    rows, validation = (list(rows_of(some, seen)) for some in splits)
    gguf = locate(settings.ranker.model, settings.ranker.sha256)
    base = dequantised(gguf, file_sha256(gguf), data / "cache" / "base")
    made_from = base_of(settings.ranker.model, gguf, base)
    checkpoints = (work or data / "training" / recipe.name) / run_of(recipe, made_from, rows, validation)
    trained = train(recipe, base, load_tokenizer(base), rows, validation, checkpoints)
    told = TrainingData(
        sha256=rows_sha256(rows),
        examples=len(rows),
        rows=len(rows),
        validation_rows=len(validation),
        held_back=recipe.data.held_back,
    )
    card = card_of(recipe, made_from, ask.FORM, told, trained)
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
