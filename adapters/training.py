"""From a recipe to a new version: pool, rows, training, card, registry."""

import hashlib
import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from adapters.base import chat_template_sha256, dequantised, load_tokenizer, tokenizer_sha256
from adapters.card import Base, Card, TrainingData, write_card
from adapters.examples import Row, make_rows, read_examples, split_examples
from adapters.pool import read_pool
from adapters.prompt import PromptTemplate, load_prompt
from adapters.recipe import Recipe, read_recipe
from adapters.registry import AdapterVersion, Registry
from adapters.train import Trained, as_dicts, train
from adapters.verify import WEIGHTS
from configs.settings import Settings
from ingest.embed import Embedder
from ingest.models import file_sha256, locate
from ingest.parse import Parser
from ingest.split import Splitter

LIBRARIES = ("torch", "transformers", "peft", "trl", "accelerate")


def follow(path: Path, settings: Settings, work: Path | None) -> AdapterVersion:
    """Train what the recipe says on the configured base; the new version is not promoted by itself."""
    recipe = read_recipe(path)
    data = settings.data.folder
    gguf = locate(settings.engine.base.model, settings.engine.base.sha256)
    base = dequantised(gguf, file_sha256(gguf), data / "cache" / "base")
    template = load_prompt(settings.layers.prompt.folder, recipe.prompt)
    rows, validation = rows_of(recipe, settings, template)
    checkpoints = work or data / "training" / recipe.name
    trained = train(recipe, base, load_tokenizer(base), rows, validation, checkpoints)
    card = card_of(recipe, settings.engine.base.model, gguf, base, template, rows, validation, trained)
    write_card(card, trained.folder)
    return Registry(settings.layers.adapter.folder, data / "adapters").add(recipe.name, trained.folder)


def rows_of(recipe: Recipe, settings: Settings, template: PromptTemplate) -> tuple[list[Row], list[Row]]:
    """Training and validation rows; held-back documents are not even distractors."""
    embedder = Embedder(locate(settings.embedder.model, settings.embedder.sha256), settings.embedder.batch_size)
    length = min(settings.splitter.max_tokens, embedder.max_tokens)
    splitter = Splitter(embedder.count_tokens, length, settings.splitter.overlap_tokens)
    with Parser() as parser:
        pool = read_pool(recipe.data.documents, parser, splitter, embedder)
    held_back = frozenset(recipe.data.held_back)
    seen = pool.only(frozenset(passage.source for passage in pool.passages) - held_back)
    splits = split_examples(read_examples(recipe.data.examples), frozenset(recipe.data.validation), held_back)
    training, validation = (
        make_rows(
            examples,
            embedder.embed_queries([example.question for example in examples]),
            seen,
            template,
            recipe.mix,
            recipe.no_answer,
            recipe.training.seed + number,
        )
        for number, examples in enumerate(splits)
    )
    return training, validation


def card_of(
    recipe: Recipe,
    uri: str,
    gguf: Path,
    base: Path,
    template: PromptTemplate,
    rows: Sequence[Row],
    validation: Sequence[Row],
    trained: Trained,
) -> Card:
    tokenizer = load_tokenizer(base)
    return Card(
        name=recipe.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        weights_sha256=file_sha256(trained.folder / WEIGHTS),
        base=Base(
            uri=uri,
            sha256=file_sha256(gguf),
            tokenizer_sha256=tokenizer_sha256(base),
            chat_template_sha256=chat_template_sha256(tokenizer),
        ),
        prompt=template.label,
        prompt_sha256=template.hash,
        data=TrainingData(
            sha256=rows_sha256(rows),
            examples=len({row.example for row in rows}),
            rows=len(rows),
            validation_rows=len(validation),
            held_back=recipe.data.held_back,
        ),
        recipe=recipe.model_dump(mode="json", exclude={"data"}),
        libraries={name: version(name) for name in LIBRARIES},
        machine=f"{platform.machine()}, {platform.system()}",
        minutes=round(trained.minutes, 1),
        losses=trained.losses,
    )


def rows_sha256(rows: Sequence[Row]) -> str:
    """The hash of what the model really saw, so that a changed prompt or document changes it too."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([as_dicts(row.messages), row.completion]).encode())
    return digest.hexdigest()
