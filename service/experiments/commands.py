"""The commands `triptych experiments list | start | stop | report | cells`."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from adapters.commands import login, registry_of
from adapters.prompt import prompt_labels
from adapters.terminal import IN_USE, REFUSED, ConfigOption, JsonOption, settings_of, show, stop
from configs.settings import Settings
from ingest.database import Database, library_url
from ingest.durable import replace_text
from ingest.library import Library
from ingest.owner import FolderInUse, OwnerLock
from service.build import defaults_of, experiments_of
from service.experiments.assign import Experiment, is_blocked
from service.experiments.running import EARLIER_LOG, ExperimentRefused, check_arms, named
from service.outcomes import ExposedOutcome
from service.plan import FACTORS
from service.records import Records
from service.switches import Known, SwitchRefused

LOCK = "experiments"

app = typer.Typer(help="Start and stop experiments, and read what they show.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(metavar="KEY", help="The experiment, as `list` names it.")]
HtmlOption = Annotated[Path | None, typer.Option(help="Write one page for people to this file.")]
ByOption = Annotated[str | None, typer.Option(help="Who does it, for the log; without it, your login name.")]


@app.command("list")
def list_command(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the experiments of the settings: whether they run, and how many users each arm has."""
    with _opened(config) as (_, records, configured):
        running = {one.key for one in records.experiments.running(configured)}
        rows = [summary(one, one.key in running, records) for one in configured]
    table = Table("Experiment", "Layer", "Runs", "Users", "Last act")
    for row in rows:
        users = ", ".join(f"{arm} {count}" for arm, count in row["users"].items())
        act = row["acts"][-1] if row["acts"] else None
        told = f"{act['act']} {act['at']} {act['by']}" if act else "as configured"
        table.add_row(row["experiment"], row["factor"], "yes" if row["running"] else "no", users, told)
    show(rows, table if rows else "The settings have no experiments.", as_json)


def summary(experiment: Experiment, runs: bool, records: Records) -> dict[str, Any]:
    past = [one.exposure for one in records.exposures(experiment.key)]
    blocked = {one.unit for one in past if is_blocked(experiment, [one])}
    now = [one for one in past if one.bucket_version == experiment.bucket_version and one.unit not in blocked]
    exposed = [one.arm for one in now]
    return {
        "experiment": experiment.key,
        "factor": experiment.factor,
        "running": runs,
        "bucket_version": experiment.bucket_version,
        "users": {arm: exposed.count(arm) for arm in experiment.exposed_arms},
        "acts": records.experiments.acts(experiment.key),
    }


@app.command("start")
def start_command(key: Key, by: ByOption = None, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Start an experiment from the next request on, in a running service, too."""
    with _opened(config, writing=True) as (settings, records, configured):
        check_arms(named(key, configured), defaults_of(settings).layers, known_in(settings))
        records.experiments.start(key, configured, by or login())
    show({"started": key}, f"{key} runs from the next request on.", as_json)


@app.command("stop")
def stop_command(key: Key, by: ByOption = None, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Stop an experiment: its layer is as configured from the next request on; what it recorded stays."""
    with _opened(config, writing=True) as (_, records, configured):
        records.experiments.stop(key, configured, by or login())
    show({"stopped": key}, f"{key} is stopped.", as_json)


@app.command("report")
def report_command(
    key: Key,
    html: HtmlOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show what an experiment has shown so far; look as often as you like, its intervals allow for that."""
    # scipy takes a second to import: only who needs statistics pays for it.
    from service.experiments.report import report_of
    from service.experiments.report_page import as_page
    from service.experiments.report_terminal import as_terminal

    with _opened(config) as (_, records, configured):
        experiment = named(key, configured)
        if experiment.interleave:
            return show_preference(experiment, records, html, as_json)
        outcomes, before = outcomes_of(experiment, records), records.ratings_before(key)
        report = report_of(experiment, outcomes, before)
        if html:
            replace_text(html, as_page(experiment, report, outcomes, before))
    show(report.as_dict(), as_terminal(report), as_json)


def show_preference(experiment: Experiment, records: Records, html: Path | None, as_json: bool) -> None:
    """Which of two interleaved arms answers cite."""
    from service.experiments.preference import preference_of
    from service.experiments.preference_page import as_page
    from service.experiments.preference_terminal import as_terminal

    report = preference_of(experiment, outcomes_of(experiment, records))
    if html:
        replace_text(html, as_page(experiment, report))
    show(report.as_dict(), as_terminal(report), as_json)


@app.command("cells")
def cells_command(
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY]...", help="Experiments on different layers; else all that run with one arm a user."
        ),
    ] = None,
    html: HtmlOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show every combination of arms of experiments that ran together, and whether their layers interact."""
    # scipy takes a second to import: only who needs statistics pays for it.
    from service.experiments.cells import cells_of
    from service.experiments.cells_page import as_page
    from service.experiments.cells_terminal import as_terminal

    with _opened(config) as (_, records, configured):
        running = records.experiments.running(configured)
        chosen = [named(key, configured) for key in keys] if keys else by_layer(running)
        report = cells_of(chosen, {one.key: outcomes_of(one, records) for one in chosen})
        if html:
            replace_text(html, as_page(chosen, report))
    show(report.as_dict(), as_terminal(report), as_json)


def outcomes_of(experiment: Experiment, records: Records) -> list[ExposedOutcome]:
    """What counts now: of this bucket version, without the users of versions that are too old."""
    return records.outcomes(experiment.key, experiment.bucket_version, experiment.min_bucket_version)


def by_layer(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Without those that are interleaved: they have no cells."""
    apart = (one for one in experiments if not one.interleave)
    return sorted(apart, key=lambda one: FACTORS.index(one.factor))


def known_in(settings: Settings) -> Known:
    """What can stand in the layers, read beside a running service."""
    layers, registry = settings.layers, registry_of(settings)
    with closing(Library(Database(library_url(settings.library.url, settings.data.folder)))) as library:
        collections = {one.name for one in library.collections()}
    return Known(
        prompts=frozenset(prompt_labels(layers.prompt.folder)),
        collections=frozenset({layers.retrieval.collection, *collections, *layers.retrieval.searches}),
        adapters=registry.labels(),
        promoted=registry.promoted(),
    )


@contextmanager
def _opened(config: Path | None, writing: bool = False) -> Iterator[tuple[Settings, Records, Sequence[Experiment]]]:
    """The records, beside a running service, as the database allows; empty before the first start.

    Who writes holds a lock of its own. Errors become sentences and exit codes.
    """
    with settings_of(config) as settings:
        folder = settings.data.folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with closing(Records(Database(library_url(settings.library.url, folder)))) as records:
                take_over(records, folder)
                with OwnerLock(folder / LOCK) if writing else nullcontext():
                    yield settings, records, experiments_of(settings)
        except FolderInUse as error:
            raise stop(str(error), IN_USE) from None
        except (ExperimentRefused, SwitchRefused, OSError) as error:
            raise stop(str(error), REFUSED) from None


def take_over(records: Records, folder: Path) -> None:
    """What an earlier program kept in a file. Whoever owns the folder may still be that program, and need it."""
    file = folder / EARLIER_LOG
    if not file.is_file():
        return
    try:
        with OwnerLock(folder):
            records.experiments.take_over(file)
    except FolderInUse as error:
        message = (
            f"{error} It must be started anew first: then it takes over what an earlier program kept in {file}."
        )
        raise stop(message, IN_USE) from None
