"""From a recipe to a new version: pool, rows, training, card, registry."""

import gc
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from transformers import PreTrainedTokenizerBase, set_seed

from adapters.base import chat_template_sha256, dequantised, load_tokenizer, tokenizer_sha256
from adapters.card import CONFIG, WEIGHTS, Base, Card, TrainingData, Trial, write_card
from adapters.dataset.check import check_recipe
from adapters.dataset.entries import Told
from adapters.dataset.read import read_elsewhere, read_style
from adapters.dataset.report import insist
from adapters.decisions.pack import LORA
from adapters.examples import (
    ExampleError,
    Pool,
    Row,
    StyleExample,
    as_dicts,
    make_rows,
    split_examples,
)
from adapters.first_tokens import first_tokens
from adapters.launch import check_processes, train_on
from adapters.learning_curve import as_told, newest_curve
from adapters.pool import configured_pool, seen_of
from adapters.precision import machine
from adapters.prompt import PromptTemplate, load_prompt
from adapters.recipe import DecisionRecipe, Mix, ModelRecipe, Recipe, RecipeError, read_recipe
from adapters.registry import AdapterVersion, Registry
from adapters.train import Trained, train
from adapters.train_process import Task
from configs.settings import Model, Settings
from ingest.embed import Embedder
from ingest.models import file_sha256, locate_file
from ingest.owner import OwnerLock
from ingest.records import now

LIBRARIES = ("torch", "transformers", "peft", "trl", "accelerate")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a training takes besides time: the rows of a recipe, and the base that learns them.

    `base` is the dequantised model's folder, `start` that of the adapter to go on from; `work` is for checkpoints.
    """

    recipe: ModelRecipe
    registry: Registry
    template: PromptTemplate
    tokenizer: PreTrainedTokenizerBase
    base: Path
    made_from: Base
    rows: list[Row]
    validation: list[Row]
    start: Path | None
    work: Path


def follow(path: Path, settings: Settings, work: Path | None, processes: int = 1) -> AdapterVersion:
    """Train what the recipe says on the configured base; the new version is not promoted by itself.

    Examples that fail the check are refused first (DatasetRefused), and a number of processes that does not fit
    (TrainingError). Raises FolderInUse where another training works in the same folder.
    """
    ready = prepare(path, settings, work, processes)
    with OwnerLock(ready.work):
        return version_of(ready, processes=processes)


def prepare(path: Path, settings: Settings, work: Path | None, processes: int = 1) -> Prepared:
    """All before the first step. Raises RecipeError, ExampleError (DatasetRefused), PromptError, TrainingError."""
    recipe = read_recipe(path)
    if recipe.name == LORA:
        raise RecipeError(f"{path}: POST /decide takes the adapter named {LORA!r} as its own. Choose another name.")
    check_processes(processes, recipe.training.batch_size)
    data = settings.data.folder
    registry = Registry(settings.layers.adapter.folder, data / "adapters")
    template = load_prompt(settings.layers.prompt.folder, recipe.prompt)
    embedder, pool = configured_pool(recipe.data.documents, settings)
    seen = seen_of(recipe.data, pool)
    told = Told(read_style(recipe.data.examples), pool)
    base, made_from = configured_base(settings.engine.base, data)
    tokenizer = load_tokenizer(base)
    others = read_elsewhere(recipe, embedder, settings)
    insist(check_recipe(recipe, told, others, embedder, template, tokenizer), str(path))
    rows, validation = rows_of(told.read.examples, recipe, embedder, seen, template)
    if others:
        rows += rows_from(others.read.examples, embedder, others.pool, template, recipe, recipe.mix, 2)
    check_both(rows, validation, path)
    start = Path(registry.verified(recipe.start, made_from.sha256).folder) if recipe.start else None
    if start:
        check_lora(recipe, start, path)
    folder = work or data / "training" / recipe.name
    return Prepared(recipe, registry, template, tokenizer, base, made_from, rows, validation, start, folder)


def version_of(ready: Prepared, trials: Sequence[Trial] = (), processes: int = 1) -> AdapterVersion:
    """Train and add to the registry.

    The card tells the trials that chose the values, and the learning curve of the same rows if there is one.
    """
    recipe, made_from, rows, validation = ready.recipe, ready.made_from, ready.rows, ready.validation
    # Before the hours of training: what cannot be read is told at once.
    curve = newest_curve(ready.work, data_id(ready))
    checkpoints = ready.work / run_of(recipe, made_from, rows, validation)
    trained = train_on(processes, Task(recipe, ready.base, rows, validation, checkpoints, ready.start))
    # The probe reads the base once more: with the trainer's beside it, a large one may not fit.
    gc.collect()
    told = data_of(recipe, rows, validation)
    card = card_of(recipe, made_from, ready.template, told, trained)
    told_too = {
        "trials": tuple(trials),
        "learning_curve": as_told(curve) if curve else None,
        "probe": first_tokens(ready.base, trained.folder, ready.tokenizer),
    }
    write_card(card.model_copy(update=told_too), trained.folder)
    return ready.registry.add(recipe.name, trained.folder)


def data_id(ready: Prepared) -> str:
    """What a learning curve is drawn from: the rows, and the base that learns them."""
    hashes = [ready.made_from.sha256, rows_sha256(ready.rows), rows_sha256(ready.validation)]
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:12]


def train_anew(ready: Prepared, recipe: ModelRecipe, rows: Sequence[Row], folder: Path) -> Trained:
    """One of several trainings in this process, each as if it were the only one.

    What a killed one left in the folder is not gone on from: the minutes after its last checkpoint would not be
    counted.
    """
    shutil.rmtree(folder, ignore_errors=True)
    # A trainer and its model hold each other: only the collector frees them, and it does not see their size.
    gc.collect()
    set_seed(recipe.training.seed)
    return train(recipe, ready.base, ready.tokenizer, rows, ready.validation, folder, ready.start)


def rows_of(
    examples: Sequence[StyleExample], recipe: Recipe, embedder: Embedder, pool: Pool, template: PromptTemplate
) -> tuple[list[Row], list[Row]]:
    """Training and validation rows."""
    splits = split_examples(examples, frozenset(recipe.data.validation), frozenset(recipe.data.held_back))
    # Validation needs no variants.
    mixes = recipe.mix, recipe.mix.model_copy(update={"variants": 1})
    training, validation = (
        rows_from(some, embedder, pool, template, recipe, mix, number)
        for number, (some, mix) in enumerate(zip(splits, mixes, strict=True))
    )
    return training, validation


def rows_from(
    examples: Sequence[StyleExample],
    embedder: Embedder,
    pool: Pool,
    template: PromptTemplate,
    recipe: Recipe,
    mix: Mix,
    number: int,
) -> list[Row]:
    """Mixed by chance; `number` is what parts the seeds of several calls."""
    questions = embedder.embed_queries([example.question for example in examples])
    return make_rows(examples, questions, pool, template, mix, recipe.no_answer, recipe.training.seed + number)


def check_both(rows: Sequence[Row], validation: Sequence[Row], recipe: Path) -> None:
    """Raises ExampleError where there is nothing to learn from, or nothing to evaluate on."""
    for name, some in (("train", rows), ("evaluate", validation)):
        if not some:
            raise ExampleError(
                f"{recipe} leaves no rows to {name} on, of {len(rows) + len(validation)}. The examples of the "
                "documents in data.validation and every tenth refusal are for evaluation, all others for training: "
                "name some of the documents with examples there, not all."
            )


def check_lora(recipe: Recipe, start: Path, path: Path) -> None:
    """Raises RecipeError: the matrices gone on from keep their values, and a card may not tell others."""
    config = json.loads((start / CONFIG).read_text(encoding="utf-8"))
    there = {"rank": config["r"], "alpha": config["lora_alpha"], "dropout": config.get("lora_dropout", 0.0)}
    if recipe.lora.model_dump() != there:
        told = ", ".join(f"{name} {value:g}" for name, value in there.items())
        raise RecipeError(
            f"The recipe {path} goes on from {recipe.start}, whose lora stays as it is: write {told}, or leave "
            "`start` out."
        )


def configured_base(base: Model, data: Path) -> tuple[Path, Base]:
    """The folder of the dequantised base, kept below `data`, and what a card tells of it. Raises ModelError."""
    gguf = locate_file(base.model, base.sha256)
    sha256 = base.sha256 or file_sha256(gguf)
    folder = dequantised(gguf, sha256, data / "cache" / "base")
    return folder, base_of(base.model, sha256, folder)


def base_of(uri: str, sha256: str, folder: Path) -> Base:
    return Base(
        uri=uri,
        sha256=sha256,
        tokenizer_sha256=tokenizer_sha256(folder),
        chat_template_sha256=chat_template_sha256(load_tokenizer(folder)),
    )


def data_of(recipe: ModelRecipe, rows: Sequence[Row], validation: Sequence[Row]) -> TrainingData:
    return TrainingData(
        sha256=rows_sha256(rows),
        examples=len({row.example for row in rows}),
        rows=len(rows),
        validation_rows=len(validation),
        held_back=() if isinstance(recipe, DecisionRecipe) else recipe.data.held_back,
    )


def run_of(recipe: ModelRecipe, base: Base, rows: Sequence[Row], validation: Sequence[Row]) -> str:
    """A run goes on from its own checkpoints only: any other values or rows make another one."""
    values = recipe.model_dump_json(exclude={"data"})
    whole = json.dumps([values, base.sha256, rows_sha256(rows), rows_sha256(validation)])
    return hashlib.sha256(whole.encode()).hexdigest()[:12]


def card_of(
    recipe: ModelRecipe, base: Base, template: PromptTemplate, data: TrainingData, trained: Trained
) -> Card:
    return Card(
        name=recipe.name,
        created=now(),
        weights_sha256=file_sha256(trained.folder / WEIGHTS),
        base=base,
        prompt=template.label,
        prompt_sha256=template.hash,
        data=data,
        recipe=recipe.model_dump(mode="json", exclude={"data"}),
        libraries={name: version(name) for name in LIBRARIES},
        machine=machine() if trained.processes == 1 else f"{machine()}, {trained.processes} processes",
        minutes=round(trained.minutes, 1),
        losses=trained.losses,
    )


def rows_sha256(rows: Sequence[Row]) -> str:
    """The hash of what the model really saw, so that a changed prompt or document changes it too."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([as_dicts(row.messages), row.completion]).encode())
    return digest.hexdigest()
