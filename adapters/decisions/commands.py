"""The commands `triptych decisions generate | fit | train`: example records, and what is trained on them."""

from pathlib import Path
from typing import Annotated

import typer

from adapters.decisions.generate import generated, read_phrases
from adapters.decisions.head import write_head
from adapters.decisions.pack import ENOUGH, HEAD, PHRASES, POLICY, RECORDS, check_records, known_services
from adapters.decisions.policy import PolicyError, read_policy
from adapters.decisions.records import read_records, write_records
from adapters.terminal import WRONG_USE, ConfigOption, JsonOption, settings_of, show, stop
from adapters.training_commands import (
    ProcessesOption,
    RecipeArgument,
    WorkOption,
    training_libraries,
    training_settings,
)
from configs.settings import Settings
from ingest.build import embedder_of

app = typer.Typer(help="Pre-authorization decisions: records, and what decides.", no_args_is_help=True)


@app.command()
def generate(
    target: Annotated[Path, typer.Argument(help="The file of records to write.")],
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many records.")] = 2600,
    seed: Annotated[int, typer.Option(help="The same seed gives the same records.")] = 7,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Write example records of invented requests, decided by the pack's policy, some of them wrongly."""
    if target.exists() and not force:
        raise stop(f"{target} is there already. Name another file, or replace it with --force.", WRONG_USE)
    with settings_of(config) as settings:
        folder = folder_of(settings)
        policy, phrases = read_policy(folder / POLICY), read_phrases(folder / PHRASES)
        write_records(generated(policy, phrases, count, seed), target)
    show(
        {"file": str(target), "records": count, "seed": seed}, f"{count} records were written to {target}.", as_json
    )


@app.command()
def fit(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Fit the classifier head to the pack's records, calibrate it, and write it into the pack."""
    # A second to import, and only this command needs scikit-learn.
    from adapters.decisions.fit import fit_head

    with settings_of(config) as settings:
        folder = folder_of(settings)
        past, policy = read_records(folder / RECORDS), read_policy(folder / POLICY)
        check_records(policy, past)
        similar = settings.decisions.similar
        head = fit_head(past, policy.decisions, embedder_of(settings), similar, policy.sha256)
        write_head(head, folder / HEAD)
    values = {"folder": str(folder / HEAD), "records": len(past), "marks": len(head.card.known)}
    unknown = [one.name for one in policy.services if one.name not in known_services(past)]
    text = f"The head was fitted to {len(past)} records and written to {folder / HEAD}."
    if unknown:
        text += f" A person decides on {', '.join(unknown)}: too few records ({ENOUGH} for calibration are needed)."
    show(values | {"unknown_services": unknown}, text, as_json)


@app.command()
def train(
    recipe: RecipeArgument,
    work: WorkOption = None,
    processes: ProcessesOption = 1,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Train a LoRA adapter on the pack's records and add it as the next version."""
    with training_libraries():
        from adapters.decisions.training import follow
    with training_settings(config) as settings:
        version = follow(recipe, folder_of(settings), settings, work, processes)
    text = f"{version.label} is ready: POST /decide takes it as the adapter. Calibrate it first."
    show({"adapter": version.label, "folder": str(version.folder)}, text, as_json)


def folder_of(settings: Settings) -> Path:
    """Raises PolicyError where the settings name none."""
    if settings.decisions.folder is None:
        raise PolicyError("The settings name no decisions.folder; it holds the policy and the records.")
    return settings.decisions.folder
