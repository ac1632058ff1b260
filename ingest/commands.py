"""The commands `triptych ingest sync | list | show | remove | stats`."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from configs.load import ConfigurationError, current_environment, load_settings
from configs.retrieval import COLLECTION
from configs.settings import Settings
from ingest.admin_key import key_file, known_key
from ingest.build import embedder_of, opened_corpus
from ingest.database import LibraryError, told
from ingest.documents import LABEL, place
from ingest.local import LocalIngest
from ingest.models import ModelError
from ingest.owner import FolderInUse, OwnerLock
from ingest.remote import RemoteIngest, ServiceError
from ingest.report import Progress, SyncReport
from ingest.sources import SourceError, discover

# Not 1, with which Python ends after any error that nobody expected.
SOME_FAILED, WRONG_USE, NOT_REACHABLE = 4, 2, 3

app = typer.Typer(help="Bring documents into the library and look at what is there.", no_args_is_help=True)
console = Console()
errors = Console(stderr=True)

Ingest = LocalIngest | RemoteIngest
ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Settings file.")]
CollectionOption = Annotated[str | None, typer.Option(help="Collection name; the settings' own without it.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]


@app.command("sync")
def sync_command(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders; the settings' own without any.")
    ] = None,
    collection: CollectionOption = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove documents that are not in these folders.")] = False,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="Who may read these files; repeat for more labels. Without it Markdown's front matter decides, as "
            "in labels: [staff], then the label that the document has, then public (all that is asked over HTTP)."
        ),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Bring new and changed files in; leave the others alone."""
    with _ingest(config, collection) as (ingest, settings):
        discovery = discover(paths or settings.documents)
        labels = checked(label)
        check_name(collection)
        if prune and discovery.unreadable:
            raise SourceError(
                f"{', '.join(discovery.unreadable)} cannot be read, so nobody knows what is gone, and nothing was "
                "changed. Let this user read it, name the other folders, or leave --prune out."
            )
        report = _watched(ingest.sync(discovery, prune=prune, labels=labels))
    _print(report.to_json(), _report_table(report), as_json)
    if report.failed:
        raise typer.Exit(SOME_FAILED)


def checked(labels: Sequence[str] | None) -> frozenset[str] | None:
    """Raises SourceError for a label that no reader could have."""
    if wrong := [label for label in labels or () if not LABEL.fullmatch(label)]:
        raise SourceError(
            f"The label {wrong[0]!r} is none: expected at most 40 letters, digits, dots, hyphens and underscores."
        )
    return frozenset(labels) if labels else None


def check_name(collection: str | None) -> None:
    """Raises SourceError for a name of which the index could make no collection."""
    if collection and not COLLECTION.fullmatch(collection):
        raise SourceError(
            f"The collection {collection!r} cannot be: expected at most 40 small letters, digits and hyphens, no "
            "hyphen first. Choose another name."
        )


@app.command("list")
def list_command(
    collection: CollectionOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """List the documents, and the files that failed."""
    with _ingest(config, collection) as (ingest, _):
        documents, failures = ingest.documents(), ingest.failures()
    rows = [(one.source, one.title, ", ".join(one.labels), one.chunks, one.updated) for one in documents]
    table = _table(("Source", "Title", "Labels", "Chunks", "Updated"), rows)
    values = {"documents": [asdict(one) for one in documents], "failed": [asdict(one) for one in failures]}
    _print(values, table, as_json)


@app.command("show")
def show_command(
    source: str, collection: CollectionOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Show a document's chunks as retrieval sees them."""
    with _ingest(config, collection) as (ingest, _):
        found = ingest.document(source)
    if found is None:
        raise _stop(f"There is no document {source}. `triptych ingest list` shows all.", WRONG_USE)
    summary, chunks = found
    rows = [(chunk.position, place(chunk.title, chunk.headings), chunk.text) for chunk in chunks]
    table = _table(("No.", "Place", "Text"), rows)
    _print({"document": asdict(summary), "chunks": [asdict(chunk) for chunk in chunks]}, table, as_json)


@app.command("remove")
def remove_command(
    source: str, collection: CollectionOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Remove a document; it is no longer found from the next question on."""
    with _ingest(config, collection) as (ingest, _):
        removed = ingest.remove(source)
    if not removed:
        raise _stop(f"There is no document {source}. `triptych ingest list` shows all.", WRONG_USE)
    if as_json:
        console.print_json(json.dumps({"removed": source}))
    else:
        errors.print(f"Removed {source}.", markup=False)


@app.command("stats")
def stats_command(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Count documents, chunks, waiting changes and failures of each collection."""
    with _ingest(config, None) as (ingest, _):
        stats = ingest.stats()
    rows = [(one.id, one.serving, one.documents, one.chunks, one.waiting, one.failures) for one in stats]
    table = _table(("Collection", "Serves", "Documents", "Chunks", "Waiting", "Failures"), rows)
    _print({"collections": [asdict(one) for one in stats]}, table, as_json)


@contextmanager
def _ingest(config: Path | None, collection: str | None) -> Iterator[tuple[Ingest, Settings]]:
    """The corpus itself, or the running service that owns it; errors become a sentence and an exit code."""
    try:
        settings = load_settings(config, current_environment()).settings
        with ExitStack() as stack:
            yield _enter(stack, settings, collection or settings.layers.retrieval.collection), settings
    except (ConfigurationError, ModelError, LibraryError, SourceError, SQLAlchemyError, OSError) as error:
        raise _stop(told(error), WRONG_USE) from None
    except (FolderInUse, ServiceError) as error:
        raise _stop(str(error), NOT_REACHABLE) from None


def _enter(stack: ExitStack, settings: Settings, name: str) -> Ingest:
    try:
        stack.enter_context(OwnerLock(settings.data.folder))
    except FolderInUse as owner:
        if owner.url is None:
            raise
        headers = {"Authorization": f"Bearer {_admin_key(settings)}"}
        client = httpx.Client(base_url=owner.url, headers=headers, timeout=60, trust_env=False)
        return RemoteIngest(stack.enter_context(client), name)
    opened = opened_corpus(settings, embedder_of(settings), name, prepare_index=False)
    return LocalIngest(stack.enter_context(opened))


def _admin_key(settings: Settings) -> str:
    key, file = known_key(settings), key_file(settings)
    if key is None:
        raise ServiceError(f"The running service needs its admin key: neither server.admin_key nor {file} has it.")
    return key


def _watched(events: Iterator[Progress | SyncReport]) -> SyncReport:
    """Shows a bar on a terminal until the report comes."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    report = SyncReport("")
    with ProgressBar(*columns, console=errors, disable=not errors.is_terminal, transient=True) as bar:
        task = bar.add_task("Reading", total=None)
        for event in events:
            if isinstance(event, SyncReport):
                report = event
            else:
                bar.update(task, completed=event.done, total=event.total)
    return report


def _report_table(report: SyncReport) -> Table:
    counts = {
        "Added": len(report.added),
        "Changed": len(report.changed),
        "Unchanged": report.unchanged + report.reembedded,
        "Removed": len(report.removed),
        "Relabelled": len(report.relabelled),
        "Skipped": len(report.skipped),
        "Failed": len(report.failed),
    }
    return _table(("Files", "Count"), counts.items())


def _print(values: dict[str, Any], table: Table, as_json: bool) -> None:
    if as_json:
        console.print_json(json.dumps(values))
        return
    console.print(table)
    for failure in values.get("failed", ()):
        errors.print(f"{failure['source']}: {failure['reason']} ({failure['when']})", markup=False)


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # As plain text: square brackets in a document are no markup.
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def _stop(message: str, code: int) -> typer.Exit:
    # soft_wrap: a path broken over two lines cannot be copied.
    errors.print(message, markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(code)
