"""The commands `triptych adapters check | train | list | show | diff | lineage | verify | promote | rollback`."""

import json
import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from adapters.base import gguf_tokenizer
from adapters.card import CardError
from adapters.compare import differences, lineage
from adapters.dataset.check import check_file, check_recipe
from adapters.dataset.read import read_style, write_style
from adapters.dataset.report import DatasetRefused, Report, as_page, as_values
from adapters.engines.protocol import AdapterRefused
from adapters.examples import ExampleError, Pool
from adapters.pool import seen_of, split_pool
from adapters.prompt import PromptError, PromptTemplate, load_prompt
from adapters.recipe import RecipeError, read_recipe
from adapters.registry import AdapterVersion, Registry, UnknownAdapter
from adapters.verify import prompt_warning
from configs.load import ConfigurationError, current_environment, load_settings
from configs.settings import Settings
from ingest.embed import Embedder
from ingest.models import ModelError, locate
from ingest.owner import FolderInUse, OwnerLock

REFUSED, WRONG_USE, IN_USE = 1, 2, 3

app = typer.Typer(help="Train adapters, look at them, and choose the version that serves.", no_args_is_help=True)
console = Console()

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Settings file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Label = Annotated[str, typer.Argument(help="NAME for the promoted version, or NAME@VERSION.")]
ByOption = Annotated[str | None, typer.Option(help="Who does it, for the log; without it, your login name.")]


@app.command("list")
def list_command(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List every version, and which one its bare name means."""
    with _registry(config) as (registry, _):
        promoted = set(registry.promoted().values())
        rows = [summary(one, one.label in promoted) for one in registry.all()]
    table = Table("Adapter", "Promoted", "Base", "Prompt", "Examples", "Created")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    show(rows, table, as_json)


def summary(version: AdapterVersion, promoted: bool) -> dict[str, Any]:
    card = version.card
    return {
        "adapter": version.label,
        "promoted": promoted,
        "base": card.base.sha256[:12],
        "prompt": card.prompt,
        "examples": card.data.examples,
        "created": card.created,
    }


@app.command("show")
def show_command(label: Label, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show an adapter's card: base, data, recipe, hashes, scores."""
    with _registry(config) as (registry, _):
        version = registry.resolve(label)
        values = {"adapter": version.label} | version.card.model_dump(mode="json")
    table = Table("Card", "Value")
    for key, value in values.items():
        table.add_row(key, cell(value))
    show(values, table, as_json)


@app.command("diff")
def diff_command(one: Label, other: Label, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show what differs between two versions: recipe, data, libraries, losses, scores."""
    with _registry(config) as (registry, _):
        before, after = registry.resolve(one), registry.resolve(other)
        rows = differences(before.card, after.card)
    table = Table("What", before.label, after.label)
    for row in rows:
        table.add_row(row["fact"], cell(row["before"]), cell(row["after"]))
    show(rows, table if rows else f"The cards of {before.label} and {after.label} say the same.", as_json)


@app.command("lineage")
def lineage_command(name: str, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show how each version of a name came about, and who promoted it when."""
    with _registry(config) as (registry, _):
        versions = lineage(registry, name)
    table = Table("Adapter", "Created", "Rows", "Evaluation loss", "Changed since the one before", "Promotions")
    for one in versions:
        loss = one["facts"].get("losses.best_evaluation")
        acts = [f"{entry['act']} {entry['at']} {entry.get('by', '')}" for entry in one["promotions"]]
        label = f"{one['adapter']} (promoted)" if one["promoted"] else one["adapter"]
        made = (one["created"], str(one["facts"]["data.rows"]), "" if loss is None else f"{loss:.3f}")
        table.add_row(label, *made, "\n".join(one["changed"]), "\n".join(acts))
    show(versions, table, as_json)


@app.command("verify")
def verify_command(label: Label, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Pass an adapter through the gate that stands in front of every load."""
    template = serving_prompt(config)
    with _registry(config) as (registry, base):
        weights = registry.verified(label, base)
        warning = warned(registry.resolve(weights.name), template)
    facts = {"adapter": weights.name, "sha256": weights.sha256, "fits": base, "warning": warning}
    show(facts, f"{weights.name} fits.", as_json)


@app.command("promote")
def promote_command(
    label: Label, by: ByOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Let an adapter's bare name mean this version (of a stopped service; a running one has its admin API)."""
    template = serving_prompt(config)
    with _registry(config, owned=True) as (registry, base):
        version = registry.promote(label, base, by or login())
        warning = warned(version, template)
    facts = {"promoted": version.label, "warning": warning}
    show(facts, f"{version.name} now means {version.label}.", as_json)


@app.command("rollback")
def rollback_command(
    name: str, by: ByOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Go back to the version that was promoted before."""
    with _registry(config, owned=True) as (registry, base):
        version = registry.rollback(name, base, by or login())
    show({"promoted": version.label}, f"{version.name} now means {version.label} again.", as_json)


@app.command("train")
def train_command(
    recipe: Annotated[Path, typer.Argument(help="The adapter's recipe, a YAML file.")],
    work: Annotated[Path | None, typer.Option(help="Where checkpoints go; a killed run goes on there.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Train an adapter on the packaged base and add it as the next version."""
    try:
        # Imports half of the machine-learning world: only this command pays for that.
        from adapters.train import TrainingError
        from adapters.training import follow
    except ModuleNotFoundError as error:
        raise stop(f"Training needs {error.name}: pip install 'triptych[train]'.", WRONG_USE) from None
    try:
        with _settings(config) as settings:
            version = follow(recipe, settings, work)
    except DatasetRefused as error:
        raise stop(str(error), REFUSED) from None
    except (RecipeError, ExampleError, PromptError, TrainingError) as error:
        raise stop(str(error), WRONG_USE) from None
    text = f"{version.label} is ready: `triptych adapters promote {version.label}` lets it serve."
    show({"adapter": version.label, "folder": str(version.folder)}, text, as_json)


@app.command("check")
def check_command(
    examples: Annotated[Path, typer.Argument(help="A recipe (.yaml), or a file of examples (.jsonl, .csv).")],
    documents: Annotated[Path | None, typer.Option(help="For a file: the documents that hold the answers.")] = None,
    write: Annotated[Path | None, typer.Option(help="For a file: where to write style examples.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Check the examples of a recipe, or of a file; exit code 1 where nothing should be trained on them."""
    try:
        with _settings(config) as settings:
            if examples.suffix in (".yaml", ".yml"):
                report = _recipe_report(examples, settings)
            else:
                report = _file_report(examples, documents, write, settings)
    except (RecipeError, ExampleError, PromptError) as error:
        raise stop(str(error), WRONG_USE) from None
    show(as_values(report), as_page(report), as_json)
    if not report.passed:
        raise typer.Exit(REFUSED)


def _recipe_report(path: Path, settings: Settings) -> Report:
    recipe = read_recipe(path)
    template = load_prompt(settings.layers.prompt.folder, recipe.prompt)
    read = read_style(recipe.data.examples)
    base = locate(settings.engine.base.model, settings.engine.base.sha256)
    embedder, pool = _documents(recipe.data.documents, settings)
    seen_of(recipe.data, pool)
    return check_recipe(recipe, read, pool, embedder, template, gguf_tokenizer(base))


def _file_report(path: Path, documents: Path | None, write: Path | None, settings: Settings) -> Report:
    embedder, pool = _documents(documents, settings) if documents else (embedder_of(settings), None)
    report, entries = check_file(path, pool, embedder, settings.guard.no_answer)
    if write:
        write_style(entries, write)
    return report


def _documents(folder: Path, settings: Settings) -> tuple[Embedder, Pool]:
    embedder, splitter = embedder_of(settings), settings.splitter
    return embedder, split_pool(folder, embedder, splitter.max_tokens, splitter.overlap_tokens)


def embedder_of(settings: Settings) -> Embedder:
    values = settings.embedder
    return Embedder(locate(values.model, values.sha256), values.batch_size)


@contextmanager
def _registry(config: Path | None, owned: bool = False) -> Iterator[tuple[Registry, str]]:
    """The registry and the base's hash; errors become a sentence and an exit code."""
    with _settings(config) as settings:
        if owned:
            with OwnerLock(settings.data.folder):
                yield registry_of(settings), base_of(settings)
        else:
            yield registry_of(settings), base_of(settings)


@contextmanager
def _settings(config: Path | None) -> Iterator[Settings]:
    try:
        yield load_settings(config, current_environment()).settings
    except AdapterRefused as error:
        raise stop(str(error), REFUSED) from None
    except (ConfigurationError, ModelError, UnknownAdapter, CardError, PromptError) as error:
        raise stop(str(error), WRONG_USE) from None
    except FolderInUse as error:
        raise stop(f"{error} Promote there: POST /admin/adapters/NAME/promote.", IN_USE) from None


def registry_of(settings: Settings) -> Registry:
    """Ours, with the base to check against where the engine runs it in this process."""
    engine = settings.engine
    gguf = locate(engine.base.model, None) if engine.kind in ("llamacpp", "peft") else None
    return Registry(settings.layers.adapter.folder, settings.data.folder / "adapters", gguf)


def base_of(settings: Settings) -> str:
    base = settings.engine.base
    if base.sha256 is None:
        raise ModelError("engine.base.sha256 is not set: an adapter can only be checked against a known base.")
    locate(base.model, base.sha256)
    return base.sha256


def serving_prompt(config: Path | None) -> PromptTemplate | None:
    """None where the prompt layer is switched off."""
    with _settings(config) as settings:
        layer = settings.layers.prompt
        return None if layer.switch == "off" else load_prompt(layer.folder, layer.name)


def warned(version: AdapterVersion, template: PromptTemplate | None) -> str | None:
    """Tell where the prompt that serves is not the one that the adapter was trained with."""
    warning = prompt_warning(version.card, template) if template else None
    if warning:
        Console(stderr=True).print(Text(warning, style="yellow"), soft_wrap=True)
    return warning


def login() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # Containers run under numbers that have no name.
        return f"uid {os.getuid()}"


def cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def show(values: object, text: RenderableType, as_json: bool) -> None:
    if as_json:
        json.dump(values, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        console.print(text)


def stop(message: str, code: int) -> typer.Exit:
    # soft_wrap: a path broken over two lines cannot be copied.
    Console(stderr=True).print(Text(message, style="red"), soft_wrap=True)
    return typer.Exit(code)
