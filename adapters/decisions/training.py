"""From past records to a LoRA adapter that decides: rows as `/decide` asks, training, card, registry."""

import random
from collections.abc import Sequence
from pathlib import Path

from adapters.base import load_tokenizer
from adapters.decisions import ask
from adapters.decisions.pack import LORA, DecisionPack, open_pack
from adapters.decisions.records import PastCase, of_split
from adapters.decisions.similar import Memory, Similar
from adapters.examples import Row
from adapters.launch import check_processes
from adapters.prompt import PromptTemplate
from adapters.recipe import DecisionRecipe, RecipeError, read_as
from adapters.registry import AdapterVersion, Registry
from adapters.training import Prepared, configured_base, version_of
from configs.settings import Settings
from ingest.build import embedder_of
from ingest.owner import OwnerLock


def follow(path: Path, folder: Path, settings: Settings, work: Path | None, processes: int = 1) -> AdapterVersion:
    """Train what the recipe says on the pack's training records.

    Raises what `prepare` raises, TrainingError, and FolderInUse where another training works in the same folder.
    """
    ready = prepare(path, folder, settings, work, processes)
    with OwnerLock(ready.work):
        return version_of(ready, processes=processes)


def prepare(path: Path, folder: Path, settings: Settings, work: Path | None, processes: int = 1) -> Prepared:
    """All before the first step. Raises RecipeError, PolicyError, PromptError, ModelError, TrainingError.

    The records are not checked as style examples are. Opening the pack checks their form, that the policy knows
    service and code, and that the code stands for the decision; a record's id alone decides its split. Nothing
    looks for near-duplicates or personal data.
    """
    recipe, data = read_as(DecisionRecipe, path), settings.data.folder
    check_name(recipe.name, path)
    check_processes(processes, recipe.training.batch_size)
    registry = Registry(settings.layers.adapter.folder, data / "adapters")
    pack = open_pack(folder, recipe.prompt, embedder_of(settings).fingerprint)
    template = pack.prompts[recipe.prompt]
    held = of_split(pack.past, "calibration")[: recipe.validation]
    rows = rows_of(recipe, pack, template, settings.decisions.similar)
    validation = [row_of(pack, one, None, ()) for one in held]
    base, made_from = configured_base(settings.engine.base, data)
    tokenizer, checkpoints = load_tokenizer(base), work or data / "training" / recipe.name
    return Prepared(recipe, registry, template, tokenizer, base, made_from, rows, validation, None, checkpoints)


def check_name(name: str, path: Path) -> None:
    if name != LORA:
        raise RecipeError(
            f"{path}: POST /decide takes an adapter named {LORA!r} only, got {name!r}. Write name: {LORA}; each "
            "training makes its next version."
        )


def rows_of(recipe: DecisionRecipe, pack: DecisionPack, template: PromptTemplate, count: int) -> list[Row]:
    """A row for each training record; in some of them rules are told or similar records shown."""
    chance = random.Random(recipe.training.seed)  # noqa: S311 - reproducible, not secret
    memory = pack.memory
    rows = []
    for at, past in enumerate(memory.past):
        prompt = template if chance.random() < recipe.with_rules else None
        similar = others(memory, at, count) if chance.random() < recipe.with_similar else ()
        rows.append(row_of(pack, past, prompt, similar))
    return rows


def others(memory: Memory, at: int, count: int) -> list[Similar]:
    """The records that are most like the one at this place, itself left out: it would tell the answer."""
    past = memory.past[at]
    found = memory.nearest(past.case, memory.vectors[at], count + 1)
    return [one for one in found if one.past.id != past.id][:count]


def row_of(pack: DecisionPack, past: PastCase, template: PromptTemplate | None, similar: Sequence[Similar]) -> Row:
    rules = pack.policy.written(pack.policy.service(past.case.fields["service"]))
    messages = ask.messages(template, rules, past.case, similar)
    return Row(past.id, tuple(messages), ask.answer(past.decision, past.code))
