"""The `triptych` command: serve, chat, compare, demo, search, config, doctor; the other folders' commands below."""

import asyncio
import json
import logging
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx
import typer
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

import adapters.commands
import adapters.decisions.commands
import ingest.commands
import service.backup_commands
import service.calibrate
import service.evaluation.advise_command
import service.evaluation.commands
import service.evaluation.judge.commands
import service.experiments.commands
import service.harvest_commands
import service.replay.commands
from adapters.engines.protocol import EngineError
from adapters.terminal import IN_USE, WRONG_USE, ConfigOption, JsonOption, show, stop
from configs.load import ConfigurationError, Loaded, current_environment, load_settings, stay_offline
from configs.settings import Settings
from ingest.database import told
from ingest.owner import FolderInUse
from ingest.sources import SourceError
from service.build import WRONG_SETUP
from service.guard.redact import redact_logs
from service.retrieve import RetrievalError

T = TypeVar("T")
FAILED = 1
DATABASE = ("library", "url")
COMBINATIONS = {
    "model alone": {"prompt": "off", "retrieval": "off", "adapter": "off"},
    "prompt": {"prompt": "on", "retrieval": "off", "adapter": "off"},
    "prompt + retrieval": {"prompt": "on", "retrieval": "on", "adapter": "off"},
    "all three": {"prompt": "on", "retrieval": "on", "adapter": "on"},
}
DEMO = (
    "When can I visit my aunt in intensive care, and can my 10-year-old come along?",
    "do i need to stop eating before my ct scan",
    "I lost my glasses on the ward last week. Where do I ask?",
    "Who won the football game last night?",
    "My father suddenly has chest pain and can't breathe!",
)

WRONG_SETTINGS = (*WRONG_SETUP, SourceError)

app = typer.Typer(
    help="A chat backend in three layers, each a switch: prompt, retrieval, adapter.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
config_app = typer.Typer(help="Look at the settings.", no_args_is_help=True)
app.add_typer(ingest.commands.app, name="ingest")
adapters.commands.app.add_typer(service.harvest_commands.app, name="harvest")
app.add_typer(adapters.commands.app, name="adapters")
service.evaluation.commands.app.command("judge")(service.evaluation.judge.commands.judge_command)
app.add_typer(service.evaluation.commands.app, name="evaluate")
app.command("advise")(service.evaluation.advise_command.advise_command)
app.add_typer(service.experiments.commands.app, name="experiments")
app.command("backup")(service.backup_commands.backup_command)
app.command("restore")(service.backup_commands.restore_command)
app.command("replay")(service.replay.commands.replay_command)
adapters.decisions.commands.app.command("calibrate")(service.calibrate.calibrate)
app.add_typer(adapters.decisions.commands.app, name="decisions")
app.add_typer(config_app, name="config")
console = Console()
errors = Console(stderr=True)


def main() -> None:
    stay_offline()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    redact_logs(logging.getLogger())
    app()


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Serve the chatbot in the foreground; prints the URL and a curl line when it is ready."""
    from service.terminal import serve_forever

    loaded = load(config)
    with_reasons(serve_forever(loaded.settings, errors))


@app.command()
def chat(config: ConfigOption = None) -> None:
    """Talk to the chatbot in the terminal; an empty line ends it."""
    with_reasons(conversation(load(config).settings))


async def conversation(settings: Settings) -> None:
    from service.terminal import client

    current: str | None = None
    async with client(settings) as http:
        while question := (await asyncio.to_thread(console.input, "[bold]You:[/bold] ")).strip():
            answer = await asked(http, question, {}, current)
            current = answer["conversation_id"]
            print_answer(answer)


@app.command()
def compare(
    question: str,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Ask one question in four combinations of layers, side by side."""
    show_compared(config, (question,), as_json)


@app.command()
def demo(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Ask five questions in four combinations of layers, side by side, and end."""
    show_compared(config, DEMO, as_json)


def show_compared(config: Path | None, questions: tuple[str, ...], as_json: bool) -> None:
    rows = with_reasons(compared(load(config).settings, questions))
    show(rows, side_by_side(rows), as_json)


async def compared(settings: Settings, questions: tuple[str, ...]) -> list[dict[str, Any]]:
    from service.terminal import client

    async with client(settings) as http:
        return [
            {"question": question, "layers": name, **await asked(http, question, layers, None)}
            for question in questions
            for name, layers in COMBINATIONS.items()
        ]


async def asked(
    http: httpx.AsyncClient, question: str, layers: Mapping[str, str], conversation_id: str | None
) -> dict[str, Any]:
    body = {"question": question, "layers": dict(layers), "conversation_id": conversation_id}
    return checked(await http.post("/chat", json=body))


@app.command()
def search(
    query: str,
    collection: Annotated[str | None, typer.Option(help="The configured one without it.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=100)] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Search the documents as an answer would."""
    found = with_reasons(searched(load(config).settings, query, collection, limit))
    table = Table("No.", "Score", "Source", "Place", "Text")
    for one in found["passages"]:
        table.add_row(*plain(one["number"], f"{one['score']:.2f}", one["source"], one["place"], one["text"]))
    show(found, table if found["passages"] else "Nothing relevant is in the documents.", as_json)


async def searched(settings: Settings, query: str, collection: str | None, limit: int | None) -> dict[str, Any]:
    from service.terminal import client

    async with client(settings) as http:
        body = {"query": query, "collection": collection, "limit": limit}
        return checked(await http.post("/search", json=body))


@config_app.command("show")
def config_show(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show every setting's value and where it came from."""
    loaded = load(config)
    rows = [
        {"setting": ".".join(key), "value": value_at(loaded.settings, key), "origin": origin}
        for key, origin in sorted(loaded.origins.items())
    ]
    table = Table("Setting", "Value", "From")
    for row in rows:
        table.add_row(*plain(row["setting"], json.dumps(row["value"]), row["origin"]))
    show(rows, table, as_json)


def value_at(settings: Settings, key: tuple[str, ...]) -> Any:
    """As JSON has it; the password in the database's address is not shown."""
    value: Any = settings.model_dump(mode="json")
    for name in key:
        value = value[name] if isinstance(value, dict) else value
    return make_url(value).render_as_string(hide_password=True) if key == DATABASE and value else value


@app.command()
def doctor(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Check models, adapter, data folder, database, index, port and disk: what is wrong, and what to do."""
    from service.doctor import examine

    findings = examine(load(config).settings)
    table = Table("Part", "", "Finding")
    for one in findings:
        table.add_row(one.part, "[green]ok[/green]" if one.ok else "[red]wrong[/red]", *plain(one.detail))
    show([{"part": one.part, "ok": one.ok, "detail": one.detail} for one in findings], table, as_json)
    if not all(one.ok for one in findings):
        raise typer.Exit(FAILED)


def load(config: Path | None) -> Loaded:
    try:
        return load_settings(config, current_environment())
    except ConfigurationError as error:
        raise stop(str(error), WRONG_USE) from None


def with_reasons(work: Coroutine[Any, Any, T]) -> T:
    """Run it; what can go wrong at the door becomes a sentence and an exit code."""
    try:
        return asyncio.run(work)
    except WRONG_SETTINGS as error:
        raise stop(str(error), WRONG_USE) from None
    except FolderInUse as error:
        raise stop(str(error), IN_USE) from None
    except (EngineError, RetrievalError, SQLAlchemyError, httpx.HTTPError, OSError) as error:
        raise stop(told(error), FAILED) from None


def checked(response: httpx.Response) -> dict[str, Any]:
    """The answer's JSON, or the service's own words on what is wrong, and in which fields."""
    body: dict[str, Any] = response.json()
    if response.is_error:
        fields = [each["detail"] for each in body.get("errors", ())]
        detail = " ".join((body.get("detail", ""), *fields))
        raise stop(f"{body.get('title', response.status_code)}: {detail}", FAILED)
    return body


def print_answer(answer: Mapping[str, Any]) -> None:
    console.print(answer["answer"], markup=False)
    for source in answer["sources"]:
        if source["cited"]:
            console.print(f"  [{source['number']}] {source['place']}", style="dim", markup=False)
    console.print(f"  {strip(answer['manifest'])}", style="dim", markup=False)


def side_by_side(rows: list[dict[str, Any]]) -> Group:
    """A table a question."""
    tables = []
    for question in dict.fromkeys(row["question"] for row in rows):
        title = Text(question)
        table = Table("Layers", "Answer", "What acted", title=title, title_justify="left", show_lines=True)
        for row in rows:
            if row["question"] == question:
                table.add_row(*plain(row["layers"], row["answer"], strip(row["manifest"])))
        tables.append(table)
    return Group(*tables)


def plain(*cells: object) -> list[Text]:
    """A table's cells as they are: square brackets in them are no markup."""
    return [Text(str(cell)) for cell in cells]


def strip(manifest: Mapping[str, Any]) -> str:
    """What made the answer, in one line."""
    if manifest["path"] == "emergency":
        return "emergency hand-off, no layer ran"
    layers = [f"{layer}: {name or 'off'}" for layer, name in manifest["acted"].items()]
    milliseconds = sum(manifest["timings"].values())
    return " · ".join((*layers, manifest["engine"], f"{milliseconds:.0f} ms"))
