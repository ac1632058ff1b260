"""The commands `triptych evaluate run | report | rescore | compare`."""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.commands import registry_of
from adapters.compare import minutes_of
from adapters.engines.protocol import EngineError
from adapters.scores import AdapterScore
from adapters.strength import split_strength
from adapters.terminal import WRONG_USE, ConfigOption, JsonOption, settings_of, show, stop
from configs.settings import Settings
from ingest.corpus import Corpus
from ingest.durable import replace_text
from ingest.models import file_sha256
from ingest.sources import SourceError
from service.answer import Chatbot
from service.build import WRONG_SETUP, build
from service.evaluation.design import Design, DesignError, Style, cells_of, read_design
from service.evaluation.house_style import HouseStyle
from service.evaluation.metrics.catalogue import METRICS
from service.evaluation.origin import made_from
from service.evaluation.progress_bar import counted
from service.evaluation.questions import PackQuestion
from service.evaluation.run import answers
from service.evaluation.selection import selected
from service.evaluation.setup import Setup, adapter_setup, search_minutes, stale_documents
from service.evaluation.store import Run, RunError, find_run, keep, opened_run, read_run
from service.retrieve import RetrievalError

FAILED = 1
WRONG = (*WRONG_SETUP, DesignError, RunError, SourceError)

app = typer.Typer(help="Measure which layer pays: every combination, every question.", no_args_is_help=True)


@app.command("run")
def run_command(
    design: Annotated[Path, typer.Argument(help="The evaluation, a YAML file.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Ask so many questions, drawn by the seed.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Ask every question in every combination of layers; killed anywhere, the same command goes on."""
    with _settings(config) as settings:
        made = [
            facts_of(run, kept_scores(settings, run)) for run in by_engine(settings, read_design(design), limit)
        ]
    first, *others = made
    text = [line for one in made for line in (in_a_sentence(one), *one["worse"])]
    then = [f"And: triptych evaluate compare {first['run']} {one['run']}" for one in others]
    show({"runs": made} if others else first, "\n".join([*text, *then]), as_json)
    if any(one["failed"] for one in made):
        raise typer.Exit(FAILED)


def by_engine(settings: Settings, design: Design, limit: int | None) -> Iterator[Run]:
    """A run on each of the design's engines, or on the configured one."""
    questions = selected(design)
    for kind in design.engines or (settings.engine.kind,):
        engine = settings.engine.model_copy(update={"kind": kind})
        yield asyncio.run(_run(settings.model_copy(update={"engine": engine}), design, questions, limit))


def facts_of(run: Run, scores: Sequence[AdapterScore]) -> dict[str, Any]:
    failed = sum(answer.status == "failed" for answer in run.answers)
    return {
        "run": run.id,
        "folder": str(run.folder),
        "engine": run.made_from["engine"],
        "answers": len(run.answers),
        "failed": failed,
        "worse": [score.refusal() for score in scores if score.worse],
    }


def in_a_sentence(run: Mapping[str, Any]) -> str:
    made = f"{run['answers']} answers by {run['engine']}, {run['failed']} failed."
    return f"{made} Now: triptych evaluate report {run['run']}"


@app.command("report")
def report_command(
    run: Annotated[str, typer.Argument(help="The run's id, its beginning, or its folder.")],
    html: Annotated[Path | None, typer.Option(help="Write one page for people to this file.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Which layer pays, what it costs, and how sure that is."""
    # scipy takes a second to import: only the commands that need statistics pay for it.
    from service.evaluation.report import report_of
    from service.evaluation.report_page import as_page
    from service.evaluation.report_terminal import as_terminal

    with _settings(config) as settings:
        report = report_of(find_run(runs_of(settings), run))
        if html:
            replace_text(html, as_page(report))
    show(report.as_dict(), as_terminal(report), as_json)


@app.command("rescore")
def rescore_command(
    run: Annotated[str, typer.Argument(help="The run's id, its beginning, or its folder.")],
    design: Annotated[Path, typer.Argument(help="The evaluation whose section `style` counts.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Score a kept run's answers for another style, as a run of its own; no model runs."""
    from service.evaluation.rescore import rescored

    with _settings(config) as settings:
        style, kept = read_design(design).style, find_run(runs_of(settings), run)
        made = rescored(kept, style, house_style_of(style, kept.design.seed))
    text = f"{len(made.answers)} answers. Now: triptych evaluate report {made.id}"
    show({"run": made.id, "folder": str(made.folder), "answers": len(made.answers)}, text, as_json)


@app.command("compare")
def compare_command(
    first: Annotated[str, typer.Argument(help="The run before.")],
    second: Annotated[str, typer.Argument(help="The run after; its design's margins count.")],
    margin: Annotated[
        list[str] | None, typer.Option(help="METRIC=LOSS that is too much; repeat. Instead of the design's.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Two runs, paired by question and combination.

    Exit code 1 if the second is worse by more than a margin, or lacks answers that the first has.
    """
    from service.evaluation.compare import compare, margins_of
    from service.evaluation.report_terminal import comparison_as_terminal

    with _settings(config) as settings:
        before, after = (find_run(runs_of(settings), name) for name in (first, second))
        comparison = compare(before, after, margins_of(after) | _margins(margin or []))
    show(comparison.as_dict(), comparison_as_terminal(comparison), as_json)
    if comparison.lacking:
        raise stop(comparison.lack(), FAILED)
    if comparison.regressed:
        raise typer.Exit(FAILED)


@contextmanager
def _settings(config: Path | None) -> Iterator[Settings]:
    """The settings; what can go wrong becomes a sentence and an exit code."""
    try:
        with settings_of(config, "An evaluation needs the data folder for itself.") as settings:
            yield settings
    except WRONG as error:
        raise stop(str(error), WRONG_USE) from None
    except (EngineError, RetrievalError, OSError) as error:
        raise stop(str(error), FAILED) from None


def kept_scores(settings: Settings, run: Run) -> list[AdapterScore]:
    """What the run says of each adapter, kept for its promotion."""
    # scipy takes a second to import: a run that was refused does not need it.
    from service.evaluation.adapter_scores import adapter_scores

    scores, registry = adapter_scores(run), registry_of(settings)
    for score in scores:
        registry.record_score(score)
    return scores


def house_style_of(style: Style, seed: int) -> HouseStyle | None:
    """Learnt from the examples that the style names, if any. Raises DesignError."""
    if style.like is None:
        return None
    # scikit-learn and scipy take a second to import: a style without examples does not need them.
    from service.evaluation.style_learning import read_house_style

    return read_house_style(style.like, seed)


def setup_of(settings: Settings, corpus: Corpus, origin: Mapping[str, Any], house: HouseStyle | None) -> Setup:
    """What is known of the adapters' training, and which of the pack's own documents are stale."""
    registry = registry_of(settings)
    labels = [split_strength(label)[0] for label in origin["adapters"]]
    adapters = {label: adapter_setup(registry.resolve(label).card, minutes_of(registry, label)) for label in labels}
    serving = settings.layers.retrieval.collection in origin["collections"]
    stale = stale_documents(corpus, settings.documents) if serving else ()
    search = search_minutes(settings.embedder.adapter, settings.ranker.adapter)
    return Setup(adapters=adapters, stale=stale, style=house.learnt if house else None, search=search)


def runs_of(settings: Settings) -> Path:
    return settings.data.folder / "evaluations"


def _margins(options: list[str]) -> dict[str, float]:
    """Raises DesignError for what is no METRIC=LOSS."""
    found = {}
    for option in options:
        metric, _, loss = option.partition("=")
        try:
            found[metric] = float(loss)
        except ValueError:
            raise DesignError(f"Expected METRIC=LOSS such as right=0.03, got {option!r}.") from None
        if not (found[metric] >= 0 and math.isfinite(found[metric])):
            raise DesignError(f"Expected a finite loss of 0 or more, such as right=0.03, got {option!r}.")
        if metric not in METRICS:
            raise DesignError(f"There is no metric {metric!r}; there are: {', '.join(METRICS)}.")
    return found


async def _run(settings: Settings, design: Design, questions: list[PackQuestion], limit: int | None) -> Run:
    cells, house = cells_of(design.factors), house_style_of(design.style, design.seed)
    guards = {path.name: file_sha256(path) for path in (settings.guard.emergencies, settings.guard.examples)}
    async with build(settings) as chatbot:
        origin = await made_from(chatbot, design, cells, questions, guards, house)
        setup = setup_of(settings, chatbot.corpus, origin, house)
        run = opened_run(runs_of(settings), design, questions, origin, setup)
        await _ask(chatbot, run, questions[:limit], house)
    return read_run(run.folder)


async def _ask(chatbot: Chatbot, run: Run, questions: list[PackQuestion], house: HouseStyle | None) -> None:
    """Asks what is left, and anew what failed."""
    design = run.design
    asked = {question.id for question in questions}
    done = {(cell, question) for cell, question in run.done if question in asked}
    left = answers(chatbot, design, questions, done, house)
    total = len(cells_of(design.factors)) * len(questions)
    async with aclosing(counted(left, f"Run {run.id}", total, len(done))) as new:
        async for answer in new:
            keep(run, answer)
