"""The commands `triptych adapters harvest` and, below it, list | show | accept | refuse | write."""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from adapters.dataset.entries import Entry
from adapters.dataset.read import read_questions, write_style
from adapters.examples import ExampleError
from adapters.harvest import LEFT_OUT, Judged, Proposal, Rules, called_wrong, proposals_of
from adapters.proposals import DecisionRefused, Proposals, Standing, UnknownProposal
from adapters.recipe import RecipeError, read_recipe
from adapters.terminal import IN_USE, REFUSED, WRONG_USE, ConfigOption, JsonOption, cell, settings_of, show, stop
from configs.settings import Settings
from ingest.build import embedder_of
from ingest.database import Database, library_url
from ingest.library import Library
from ingest.owner import FolderInUse, OwnerLock
from service.harvest import judged_answers
from service.records import Records, UnknownConversation

FOLDER, LOG = "harvest", "proposals.jsonl"

app = typer.Typer(help="Style examples out of answers that people liked, corrected or reviewed.")

Identity = Annotated[str, typer.Argument(metavar="ID", help="A proposal, as `list` names it.")]
ByOption = Annotated[str, typer.Option(help="The person who decides.")]


@app.callback(invoke_without_command=True)
def harvest_command(
    context: typer.Context,
    conversation: Annotated[
        list[str] | None, typer.Option(help="A conversation that was reviewed and found good; repeat for more.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Whose evaluation and held-back documents count; the configured adapter's.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Collect proposals from the answers since the last time; a person decides on each of them."""
    if context.invoked_subcommand is not None:
        if conversation or recipe or as_json or config:
            raise stop(f"Options of {context.invoked_subcommand} stand behind it.", WRONG_USE)
        return
    with _opened(config, writing=True) as (log, settings):
        answers = _answers(settings, conversation or ())
        withdrawn, doubted = log.withdraw_outdated(answers), log.doubted(answers)
        proposals, left_out = _collected(answers, log, _rules(recipe, settings), settings)
        log.propose(proposals)
    ids = [proposal.id for proposal in proposals]
    values = {"proposed": ids, "withdrawn": withdrawn, "doubted": doubted, "left_out": dict(left_out)}
    show(values, _summary(ids, withdrawn, doubted, left_out), as_json)


@app.command("list")
def list_command(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List all proposals and what became of them."""
    with _opened(config) as (log, _):
        standings = log.all()
    table = Table("Proposal", "State", "From", "Document", "Question")
    for one in standings:
        made = one.proposal
        table.add_row(made.id, one.state, made.kind, made.document, Text(made.question))
    show([one.as_dict() for one in standings], table if standings else "Nothing is proposed yet.", as_json)


@app.command("show")
def show_command(identity: Identity, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show a proposal whole: question, answer, where it came from, who decided what."""
    with _opened(config) as (log, _):
        _print(log.get(identity), as_json)


@app.command("accept")
def accept_command(
    identity: Identity,
    by: ByOption,
    answer: Annotated[str | None, typer.Option(help="What the example shall say, if not the proposal's.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Accept a proposal as a style example."""
    with _opened(config, writing=True) as (log, _):
        _print(log.accept(identity, by, answer), as_json)


@app.command("refuse")
def refuse_command(
    identity: Identity,
    by: ByOption,
    reason: Annotated[str, typer.Option(help="Why it is no good example.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Refuse a proposal; it is not proposed again."""
    with _opened(config, writing=True) as (log, _):
        _print(log.refuse(identity, by, reason), as_json)


@app.command("write")
def write_command(
    file: Annotated[Path, typer.Argument(help="A .jsonl file for the recipe's list of examples.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Write the accepted proposals as style examples, a line each."""
    with _opened(config) as (log, _):
        examples = log.examples()
        if not examples:
            raise stop("No proposal is accepted yet, so nothing is written.", REFUSED)
        write_style((Entry(one.id, one) for one in examples), file, force)
    values = {"file": str(file), "examples": [one.id for one in examples]}
    show(values, f"{len(examples)} examples are in {file}. `triptych adapters check` looks at them.", as_json)


@contextmanager
def _opened(config: Path | None, writing: bool = False) -> Iterator[tuple[Proposals, Settings]]:
    """The log of proposals, locked by its own lock: the service may run. Errors become sentences and exit codes."""
    with settings_of(config) as settings:
        folder = settings.data.folder / FOLDER
        try:
            with OwnerLock(folder) if writing else nullcontext():
                yield Proposals(folder / LOG), settings
        except FolderInUse as error:
            raise stop(str(error), IN_USE) from None
        except DecisionRefused as error:
            raise stop(str(error), REFUSED) from None
        except (ExampleError, RecipeError, UnknownConversation, UnknownProposal) as error:
            raise stop(str(error), WRONG_USE) from None


def _answers(settings: Settings, reviewed: Collection[str]) -> list[Judged]:
    """Read beside a running service, as the database allows: the index, which allows one process, stays closed."""
    url = library_url(settings.library.url, settings.data.folder)
    with closing(Records(Database(url))) as records, closing(Library(Database(url))) as library:
        return judged_answers(records, library, reviewed)


def _rules(recipe: Path | None, settings: Settings) -> Rules:
    adapter = settings.layers.adapter
    beside = adapter.folder / f"{adapter.name.partition('@')[0]}.yaml"
    if recipe is None and not beside.is_file():
        raise RecipeError(f"There is no recipe {beside}. Name one with --recipe: it says what no example may ask.")
    read = read_recipe(recipe or beside)
    questions = tuple(read_questions(read.data.questions)) if read.data.questions else ()
    return Rules((settings.guard.no_answer, read.no_answer), frozenset(read.data.held_back), questions)


def _collected(
    answers: list[Judged], log: Proposals, rules: Rules, settings: Settings
) -> tuple[list[Proposal], Counter[str]]:
    standings = log.all()
    known = {one.proposal.id for one in standings}
    fresh = [judged for judged in answers if judged.id not in known]
    there = [one.proposal for one in standings if one.state != "withdrawn"]
    return proposals_of(fresh, rules, there, embedder_of(settings, adapted=False), called_wrong(answers))


def _summary(ids: list[str], withdrawn: list[str], doubted: list[str], left_out: Counter[str]) -> Table:
    table = Table("Answers", "What became of them", show_header=False)
    table.add_row(str(len(ids)), "proposed: read each before you accept it, names of people are not found")
    if withdrawn:
        table.add_row(
            str(len(withdrawn)),
            "earlier proposals withdrawn: there is a later word on the answer, or on an equal one",
        )
    if doubted:
        told = f"accepted, and somebody said since that the answer is wrong: {', '.join(doubted)}"
        table.add_row(str(len(doubted)), f"{told}. Look at them, and refuse them if need be")
    for reason, count in left_out.most_common():
        table.add_row(str(count), f"left out: {LEFT_OUT[reason]}")
    return table


def _print(standing: Standing, as_json: bool) -> None:
    table = Table("Proposal", standing.proposal.id)
    for key, value in standing.as_dict().items():
        if key != "id":
            table.add_row(key, Text(cell(value)))
    show(standing.as_dict(), table, as_json)
