"""`triptych adapters list | show | diff | lineage | verify | export | promote | rollback`, beside training's."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.card import CARD, Card
from adapters.card_page import as_page
from adapters.compare import curve, differences, lineage
from adapters.convert import ConversionError
from adapters.curve_command import curve_command
from adapters.engines.protocol import EMBEDDED
from adapters.export import Form, export
from adapters.header import BaseFile
from adapters.prompt import PromptTemplate, load_prompt
from adapters.registry import AdapterVersion, Registry
from adapters.scores import AdapterScore
from adapters.strength import split_strength
from adapters.terminal import REFUSED, WRONG_USE, ConfigOption, JsonOption, cell, settings_of, show, stop
from adapters.training_commands import check_command, rank_command, train_command, tune_command
from adapters.verify import prompt_warning
from configs.settings import Settings
from ingest.durable import replace_text
from ingest.models import ModelError, locate_file
from ingest.owner import OwnerLock

app = typer.Typer(help="Train adapters, look at them, and choose the version that serves.", no_args_is_help=True)
app.command("check")(check_command)
app.command("train")(train_command)
app.command("curve")(curve_command)
app.command("tune")(tune_command)
app.command("rank")(rank_command)

Label = Annotated[str, typer.Argument(help="NAME for the promoted version, or NAME@VERSION.")]
ByOption = Annotated[str | None, typer.Option(help="Who does it, for the log; without it, your login name.")]


@app.command("list")
def list_command(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List every version, and which one its bare name means."""
    with _registry(config) as (registry, _):
        promoted = set(registry.promoted().values())
        rows = [summary(one, one.label in promoted) for one in registry.all()]
    columns = ["Adapter", "Promoted", "Base", "Prompt", "Examples", "Created"]
    if any("problem" in row for row in rows):
        columns.append("Problem")
    table = Table(*columns)
    for row in rows:
        table.add_row(*(Text(str(row.get(column.lower(), ""))) for column in columns))
    show(rows, table, as_json)


def summary(version: AdapterVersion, promoted: bool) -> dict[str, Any]:
    if problem := version.problem:
        return {"adapter": version.label, "promoted": promoted, "problem": problem}
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
def show_command(
    label: Label,
    html: Annotated[
        Path | None, typer.Option(help="Write one page for people to this file, with pictures.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show an adapter's card: base, data, recipe, hashes; and what its largest evaluation found."""
    with _registry(config) as (registry, _):
        version = registry.resolve(label)
        score = registry.score(version)
        evaluation = score.model_dump(mode="json", exclude={"adapter", "weights_sha256"}) if score else None
        card = version.card
        values = {"adapter": version.label, **card.model_dump(mode="json"), "evaluation": evaluation}
        if html:
            write_page(html, as_page(version.label, card, score))
    table = Table("Card", "Value")
    for key, value in (values | in_short(card)).items():
        table.add_row(key, cell(value) if key != "evaluation" else "")
    for key, value in evaluation_rows(score) if score else ():
        table.add_row(key, value)
    show(values, table, as_json)


def write_page(path: Path, page: str) -> None:
    try:
        replace_text(path, page)
    except OSError as error:
        raise stop(f"The page cannot be written to {path}: {error}", WRONG_USE) from None


def in_short(card: Card) -> dict[str, Any]:
    """What would fill the terminal: the losses of every step, a learning curve with all that its points share."""
    told: dict[str, Any] = {"losses": curve(card.losses)}
    if drawn := card.learning_curve:
        points = ", ".join(f"{one.examples} examples {one.score:.1%}" for one in drawn.points)
        told["learning_curve"] = f"tokens right: {points}. {drawn.finding}"
    return told


def evaluation_rows(score: AdapterScore) -> Iterator[tuple[str, str]]:
    engine = score.engine or "not recorded"
    yield "", f"run {score.run} of {score.at}: {score.questions} questions, engine {engine}"
    for label, found in score.combinations.items():
        yield label, "\n".join(f"{metric} {estimate}" for metric, estimate in found.items())
    yield "with retrieval", "\n".join(f"{metric} {found}" for metric, found in score.findings.items())


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
        acts = [f"{entry['act']} {entry['at']} {entry.get('by', '')}" for entry in one["promotions"]]
        label = f"{one['adapter']} (promoted)" if one["promoted"] else one["adapter"]
        table.add_row(label, *came_about(one), "\n".join(acts))
    show(versions, table, as_json)


def came_about(one: dict[str, Any]) -> tuple[str | Text, ...]:
    """When, from how many rows, with which loss, what changed; or why its card cannot be read."""
    if "problem" in one:
        return ("", "", "", Text(one["problem"]))
    loss = one["facts"].get("losses.best_evaluation")
    told = "" if loss is None else f"{loss:.3f}"
    return (one["created"], str(one["facts"]["data.rows"]), told, "\n".join(one["changed"]))


@app.command("verify")
def verify_command(label: Label, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Pass an adapter through the gate that stands in front of every load."""
    template = serving_prompt(config)
    with _registry(config) as (registry, base):
        weights = registry.verified(label, base)
        version, _ = split_strength(weights.name)
        warning = warned(registry.resolve(version), template)
    facts = {"adapter": weights.name, "sha256": weights.sha256, "fits": base, "warning": warning}
    show(facts, f"{weights.name} fits.", as_json)


@app.command("export")
def export_command(
    label: Label,
    target: Annotated[Path, typer.Argument(help="The folder (peft) or file (gguf, merged) to write.")],
    form: Annotated[Form, typer.Option(help="PEFT's files, a LoRA for llama.cpp, or base and adapter in one.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Write an adapter, after the gate, for other programs."""
    with settings_of(config) as settings:
        weights = registry_of(settings).verified(label, base_of(settings))
        base = locate_file(settings.engine.base.model, settings.engine.base.sha256)
        try:
            export(Path(weights.folder), base, form, target)
        except OSError as error:
            raise stop(f"Nothing is exported: {error}", WRONG_USE) from None
        except ConversionError as error:
            raise stop(f"{weights.name} cannot be written as {form}: {error}", REFUSED) from None
    facts = {"adapter": weights.name, "sha256": weights.sha256, "form": form.value, "target": str(target)}
    bare = form is Form.peft and not (target / CARD).exists()
    told = (
        " It has no card, which tells of the whole strength: other programs can use it, no registry."
        if bare
        else ""
    )
    show(facts, f"{weights.name} is in {target}.{told}", as_json)


@app.command("promote")
def promote_command(
    label: Label,
    by: ByOption = None,
    despite: Annotated[str | None, typer.Option(help="Why one may go out that an evaluation found worse.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Let an adapter's bare name mean this version (of a stopped service; a running one has its admin API)."""
    template = serving_prompt(config)
    with _registry(config, owned=True) as (registry, base):
        version = registry.promote(label, base, by or login(), despite)
        warning = warned(version, template)
        score = registry.score(version)
    known = f"evaluation {score.run}" if score else "never evaluated: triptych evaluate run"
    facts = {"promoted": version.label, "evaluation": score.run if score else None, "warning": warning}
    show(facts, f"{version.name} now means {version.label} ({known}).", as_json)


@app.command("rollback")
def rollback_command(
    name: str, by: ByOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Go back to the version that was promoted before."""
    with _registry(config, owned=True) as (registry, base):
        version = registry.rollback(name, base, by or login())
    show({"promoted": version.label}, f"{version.name} now means {version.label} again.", as_json)


@contextmanager
def _registry(config: Path | None, owned: bool = False) -> Iterator[tuple[Registry, str]]:
    """The registry and the base's hash; errors become a sentence and an exit code."""
    with settings_of(config) as settings, OwnerLock(settings.data.folder) if owned else nullcontext():
        yield registry_of(settings), base_of(settings)


def registry_of(settings: Settings) -> Registry:
    """Ours, with the base to check against where the engine runs it in this process."""
    engine, data = settings.engine, settings.data.folder
    base = BaseFile(locate_file(engine.base.model, None), data / "cache") if engine.kind in EMBEDDED else None
    return Registry(settings.layers.adapter.folder, data / "adapters", base)


def base_of(settings: Settings) -> str:
    base = settings.engine.base
    if base.sha256 is None:
        raise ModelError("engine.base.sha256 is not set: an adapter can only be checked against a known base.")
    locate_file(base.model, base.sha256)
    return base.sha256


def serving_prompt(config: Path | None) -> PromptTemplate | None:
    """None where the prompt layer is switched off."""
    with settings_of(config) as settings:
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
