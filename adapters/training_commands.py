"""The commands `triptych adapters check | train | tune | rank`: from examples to a new version."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table

from adapters.base import gguf_tokenizer
from adapters.card import Card
from adapters.dataset.check import check_file, check_recipe, check_search_recipe
from adapters.dataset.entries import Told
from adapters.dataset.read import check_target, read_elsewhere, read_style, write_style
from adapters.dataset.report import DatasetRefused, Report, as_page, as_values
from adapters.examples import ExampleError
from adapters.pool import configured_pool, seen_of
from adapters.prompt import load_prompt
from adapters.recipe import Recipe, RecipeError, read_any_recipe
from adapters.terminal import REFUSED, WRONG_USE, ConfigOption, JsonOption, settings_of, show, stop
from adapters.training_errors import TrainingError
from configs.settings import Settings
from ingest.build import embedder_of
from ingest.models import locate_file

ANOTHER_FOLDER = "Or name another folder with --work."

RecipeArgument = Annotated[Path, typer.Argument(help="The adapter's recipe, a YAML file.")]
WorkOption = Annotated[Path | None, typer.Option(help="Where checkpoints go; a killed run goes on there.")]
ProcessesOption = Annotated[
    int, typer.Option(min=1, help="Train in so many processes, which share each batch: one GPU each, or the cores.")
]


def check_command(
    examples: Annotated[Path, typer.Argument(help="A recipe (.yaml), or a file of examples (.jsonl, .csv).")],
    documents: Annotated[Path | None, typer.Option(help="For a file: the documents that hold the answers.")] = None,
    write: Annotated[Path | None, typer.Option(help="For a file: where to write style examples.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file to write if it is there.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Check the examples of a recipe, or of a file; exit code 1 where nothing should be trained on them."""
    try:
        with settings_of(config) as settings:
            if examples.suffix not in (".yaml", ".yml"):
                report = _file_report(examples, documents, write, force, settings)
            elif documents or write:
                raise RecipeError("--documents and --write are for a file of examples; a recipe names its own.")
            else:
                report = _recipe_report(examples, settings)
    except (RecipeError, ExampleError) as error:
        raise stop(str(error), WRONG_USE) from None
    show(as_values(report), as_page(report), as_json)
    if not report.passed:
        raise typer.Exit(REFUSED)


def train_command(
    recipe: RecipeArgument,
    search: Annotated[
        bool,
        typer.Option(
            "--search", help="First choose rank, rate and epochs by trials, as the recipe's `search` says."
        ),
    ] = False,
    work: WorkOption = None,
    processes: ProcessesOption = 1,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Train an adapter on the packaged base and add it as the next version."""
    with training_libraries():
        from adapters.training import follow
        from adapters.trials import follow_best
    with training_settings(config) as settings:
        version = (follow_best if search else follow)(recipe, settings, work, processes)
    text = f"{version.label} is ready: `triptych adapters promote {version.label}` lets it serve."
    values: dict[str, Any] = {"adapter": version.label, "folder": str(version.folder)}
    if not search:
        show(values, text, as_json)
        return
    values["trials"] = [trial.model_dump() for trial in version.card.trials]
    show(values, Group(trials_table(version.card), text), as_json)


def trials_table(card: Card) -> Table:
    """In the order of the trials; the values that were chosen are marked."""
    recipe = card.recipe
    chosen = recipe["lora"]["rank"], recipe["training"]["learning_rate"], recipe["training"]["epochs"]
    table = Table("Rank", "Rate", "Epochs", "Share of them", "Steps", "Validation loss", "Minutes", "")
    for one in card.trials:
        values = one.rank, one.learning_rate, one.epochs
        score = "diverged" if one.score is None else f"{one.score:.4f}"
        told = (*map(str, values), f"{one.share:.0%}", str(one.steps), score, f"{one.minutes:.1f}")
        table.add_row(*told, "chosen" if values == chosen else "")
    return table


def tune_command(
    recipe: Annotated[Path, typer.Argument(help="The recipe of an embedder's adapter, a YAML file.")],
    folder: Annotated[Path, typer.Argument(help="Where the adapter is written; it must not exist.")],
    work: WorkOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Train an adapter for the embedder, so that search understands how people ask."""
    with training_libraries():
        from adapters.search_training import tuned
    with training_settings(config) as settings:
        card = tuned(recipe, folder, settings, work)
    table = Table("On examples that training did not see", *card.scores["with"])
    for name, scores in card.scores.items():
        table.add_row(f"{name} the adapter", *map(str, scores.values()))
    place = folder.absolute()
    text = f"Set embedder.adapter to {place}, then `triptych ingest sync`: every document is embedded anew."
    show({"folder": str(folder), **card.model_dump(mode="json")}, Group(table, text), as_json)


def rank_command(
    recipe: Annotated[Path, typer.Argument(help="The recipe of a ranker, a YAML file.")],
    folder: Annotated[Path, typer.Argument(help="Where it is written, as NAME/VERSION; it must not exist.")],
    work: WorkOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Train a ranker: it tells which of the passages that search found answers a question, and if any does."""
    with training_libraries():
        from adapters.ranking.training import follow
    with training_settings(config) as settings:
        card = follow(recipe, folder, settings, work)
    text = f"Set ranker.adapter to {folder.absolute()} and start the service anew: no document is embedded again."
    show({"folder": str(folder), **card.model_dump(mode="json")}, text, as_json)


@contextmanager
def training_libraries() -> Iterator[None]:
    """For imports of half of the machine-learning world: only the commands that train pay for that."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise stop(f"Training needs {error.name}: pip install 'triptych[train]'.", WRONG_USE) from None


@contextmanager
def training_settings(config: Path | None) -> Iterator[Settings]:
    """The settings; what can go wrong becomes a sentence and an exit code. What libraries print goes to stderr."""
    try:
        with settings_of(config, ANOTHER_FOLDER) as settings, redirect_stdout(sys.stderr):
            yield settings
    except DatasetRefused as error:
        raise stop(str(error), REFUSED) from None
    except (RecipeError, ExampleError, TrainingError) as error:
        raise stop(str(error), WRONG_USE) from None


def _recipe_report(path: Path, settings: Settings) -> Report:
    recipe = read_any_recipe(path)
    embedder, pool = configured_pool(recipe.data.documents, settings)
    seen_of(recipe.data, pool)
    told, others = Told(read_style(recipe.data.examples), pool), read_elsewhere(recipe, embedder, settings)
    if not isinstance(recipe, Recipe):
        return check_search_recipe(recipe, told, others, embedder, settings.guard.no_answer)
    template = load_prompt(settings.layers.prompt.folder, recipe.prompt)
    base = locate_file(settings.engine.base.model, settings.engine.base.sha256)
    return check_recipe(recipe, told, others, embedder, template, gguf_tokenizer(base))


def _file_report(path: Path, documents: Path | None, write: Path | None, force: bool, settings: Settings) -> Report:
    if write:
        # Before minutes of work, and once more after them.
        check_target(write, force)
    embedder, pool = (
        configured_pool(documents, settings) if documents else (embedder_of(settings, adapted=False), None)
    )
    report, entries = check_file(path, pool, embedder, settings.guard.no_answer)
    if write:
        write_style(entries, write, force)
    return report
