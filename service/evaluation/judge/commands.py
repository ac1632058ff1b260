"""The command `triptych evaluate judge`: an endpoint's opinion of kept answers, once a person agreed to it."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import aclosing, closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from adapters.engines.protocol import EngineError
from adapters.terminal import IN_USE, REFUSED, WRONG_USE, ConfigOption, JsonOption, settings_of, show, stop
from configs.settings import Settings
from ingest.database import Database, LibraryError, library_url
from ingest.library import Library
from ingest.owner import FolderInUse, OwnerLock
from service.evaluation.commands import runs_of
from service.evaluation.judge.aspects import ORDERS
from service.evaluation.judge.cases import Case, Judged, cases, judgeable
from service.evaluation.judge.judgements import Judgement, keep_judgement
from service.evaluation.judge.prompt import template
from service.evaluation.progress_bar import counted
from service.evaluation.store import Run, RunError, find_run, read_run

if TYPE_CHECKING:
    from service.evaluation.judge.judging import Asking

AT_ONCE = 4


def judge_command(
    run: Annotated[str, typer.Argument(help="The run's id, its beginning, or its folder.")],
    url: Annotated[str, typer.Option(help="An OpenAI-compatible endpoint, such as http://127.0.0.1:8002/v1.")],
    model: Annotated[str, typer.Option(help="The model's name there; best one of another family.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Judge so many answers, question by question.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send the answers without asking again.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Let another model judge kept answers: a second opinion, never a metric; goes on where it was stopped.

    Questions, answers and passages are sent to the endpoint. Its key: TRIPTYCH__JUDGE__API_KEY.
    """
    # The client takes a second to import: only who asks a judge pays for it.
    from service.evaluation.judge.endpoint import judge_of
    from service.evaluation.judge.judging import Asking

    with settings_of(config) as settings, _sentences():
        found, key = find_run(runs_of(settings), run), settings.judge.api_key
        asking = Asking(judge_of(url, model, key.get_secret_value() if key else None), template())
        with OwnerLock(found.folder):
            chosen = list(judgeable(found))[:limit]
            left = _left(settings, read_run(found.folder), chosen, asking)
            if left:
                _agreed(notice(found, left, asking), yes)
                asyncio.run(_ask(found, asking, left))
    _print(found, chosen, asking, as_json)


@contextmanager
def _sentences() -> Iterator[None]:
    """What can go wrong becomes a sentence and an exit code."""
    from service.evaluation.judge.endpoint import EndpointRefused

    try:
        yield
    except FolderInUse as error:
        raise stop(f"{error} Another judge is at work on this run.", IN_USE) from None
    except (EndpointRefused, LibraryError, RunError) as error:
        raise stop(str(error), WRONG_USE) from None
    except (EngineError, OSError) as error:
        raise stop(f"{error} What was judged before is kept: the same command goes on.", REFUSED) from None


def _left(settings: Settings, run: Run, chosen: Sequence[Judged], asking: "Asking") -> list[Case]:
    """Passages are read beside a running service, as the database allows."""
    done = {one.key for one in run.judgements if one.judge == asking.made_by}
    url = library_url(settings.library.url, settings.data.folder)
    with closing(Library(Database(url))) as library:
        return cases(chosen, library, done)


def notice(run: Run, left: Sequence[Case], asking: "Asking") -> str:
    """What leaves this machine, and whereto: told before the first request."""
    answers = len({(case.answer.cell, case.answer.question) for case in left})
    return (
        f"To {asking.judge.url} (model {asking.judge.model}) would go: {answers} answers of run {run.id} with "
        f"their questions, earlier turns, right answers and passages, in {len(left)} requests. They may hold "
        "personal data, and what is done with them there is not in our hands. Nothing was sent yet."
    )


def _agreed(told: str, yes: bool) -> None:
    """A person at a terminal is asked; elsewhere --yes has to say it."""
    Console(stderr=True).print(told, soft_wrap=True, markup=False, highlight=False)
    if yes:
        return
    if not sys.stdin.isatty():
        raise stop("Say --yes to send them; without it nothing is sent.", WRONG_USE)
    if not typer.confirm("Send them?", err=True):
        raise stop("Nothing was sent.", REFUSED)


async def _ask(run: Run, asking: "Asking", left: Sequence[Case]) -> None:
    from service.evaluation.judge.judging import judgements

    made = counted(judgements(asking, left, AT_ONCE), f"Judge {asking.judge.model}", len(left))
    async with asking.judge.client, aclosing(made) as new:
        async for judgement in new:
            keep_judgement(run.folder, judgement)


def _print(run: Run, chosen: Sequence[Judged], asking: "Asking", as_json: bool) -> None:
    """Exit code 1 where a reply could not be used."""
    model, sha256 = asking.made_by
    places = {(answer.cell, answer.question) for _, answer in chosen}
    made = [one for one in read_run(run.folder).judgements if one.judge == asking.made_by]
    failed = failures([one for one in made if (one.cell, one.question) in places])
    values = {"run": run.id, "model": model, "prompt_sha256": sha256, "answers": len(chosen), "failed": failed}
    told = (f"{count} replies could not be used: {reason}." for reason, count in failed.items())
    first = f"{len(chosen)} answers are judged, each {len(ORDERS)} times. Now: triptych evaluate report {run.id}"
    show(values, "\n".join([first, *told]), as_json)
    if failed:
        raise typer.Exit(REFUSED)


def failures(made: Sequence[Judgement]) -> dict[str, int]:
    return dict(Counter(one.failed for one in made if one.failed))
