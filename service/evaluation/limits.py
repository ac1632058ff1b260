"""What a report's figures do not say, in sentences."""

from collections.abc import Iterator

from service.evaluation.grid import Grid
from service.evaluation.house_style import Learnt
from service.evaluation.store import Run
from service.plan import FACTORS

ALWAYS = (
    "Right is judged by required facts, word by word: a right answer in other words counts as wrong, and a wrong "
    "one that has the facts as right. Read the examples.",
    "A refusal is recognised by the pack's own sentence; a model that refuses in other words counts as answering.",
    "Every answer was generated once, greedily. The intervals say what other questions could have shown, not other "
    "runs or other users.",
)


def limits(run: Run, grid: Grid, combinations: int) -> list[str]:
    design = run.design
    times = f"Times are of this machine with up to {design.concurrency} questions at a time: compare, no more."
    found = [*gaps(run, grid, combinations), *ALWAYS, *likeness(run.setup.style), times]
    if design.concurrency > 1:
        found.append(
            "Answers made together share the engine's arithmetic, and rounding can change single ones from "
            "run to run; with `concurrency: 1` llama.cpp repeats them to the letter."
        )
    if any(len(design.factors.levels(factor)) > 2 for factor in FACTORS):
        found.append("A layer with more than two levels: each against its reference, the others at two levels.")
    return found


def likeness(style: Learnt | None) -> Iterator[str]:
    """How far the style likeness can be trusted, or why there is none."""
    if style is None:
        return
    if style.missing or style.auc is None or style.interval is None:
        yield f"Style likeness has no value: {style.missing}."
        return
    low, high = style.interval
    yield (
        f"Style likeness was learnt from {style.examples} examples against the own words of {style.documents} "
        f"documents. On documents that it had not seen, an example scored above them in {style.auc:.0%} of pairs "
        f"({low:.0%} to {high:.0%}): single answers say little, means say more. "
        "It knows no other voices, so a model's rambling is only roughly placed; and an answer that copies its "
        "source sounds like the source."
    )


def gaps(run: Run, grid: Grid, combinations: int) -> Iterator[str]:
    asked, planned = len(grid.questions), len(run.questions)
    if asked < planned:
        yield f"The run is not complete: {asked} of {planned} questions were asked in all {combinations} cells."
    if failed := sum(answer.status == "failed" for answer in grid.answers.values()):
        yield f"Failed answers, which count as not right: {failed}; the reasons are in {run.folder}."
    if faulty := [question.id for question in grid.questions if question.fault]:
        yield (
            f"Questions that lack gold, so that all answers count as right or all as wrong: {len(faulty)}, the "
            f"first is {faulty[0]}. A new run refuses such."
        )
    if degraded := sum(bool((one.manifest or {}).get("retrieval_degraded")) for one in grid.answers.values()):
        yield f"Answers that were made with a degraded index: {degraded}."
    if run.design.questions.held_back_by is None:
        yield "Adapters may have been trained on documents that these questions are about; that flatters them."
