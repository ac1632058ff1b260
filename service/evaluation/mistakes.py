"""Common mistakes of each method, found in a run's own answers and named."""

from collections.abc import Iterator, Sequence

from service.evaluation.design import Cell, Factors
from service.evaluation.grid import Grid
from service.evaluation.store import Answer
from service.plan import FACTORS

# Beyond these shares a thing is no chance, but how the set-up works.
MOST_UNUSED, MOST_UNCITED, MOST_ANSWERED = 0.25, 0.5, 0.5
FEWEST = 5
WHOLE = 0.999


def mistakes(factors: Factors, grid: Grid) -> list[str]:
    """In sentences; none where none was found, or too few answers tell."""
    return [*too_long(grid), *ignored(factors, grid), *unused(factors, grid), *answered_anyway(factors, grid)]


def too_long(grid: Grid) -> Iterator[str]:
    """Prompt: it does not fit, the one reason for which a run's answer fails."""
    if cut := sum(one.status == "failed" for one in grid.answers.values()):
        yield (
            f"Prompt too long: {cut} of {len(grid.answers)} answers failed, since prompt, passages and history "
            "did not fit the model. Raise engine.context_tokens and give the same command again, which asks them "
            "anew; or show fewer passages, which is another run."
        )


def ignored(factors: Factors, grid: Grid) -> Iterator[str]:
    """Prompt: instructions that the model does not follow, seen at the citation that the prompt asks for."""
    cell = cell_with(factors, adapter=factors.reference("adapter"))
    told = [one for one in of_cell(grid, cell) if one.status == "answered"]
    share = part(not one.cited for one in told)
    if share is not None and share > MOST_UNCITED:
        yield (
            f"Instructions that are ignored: with prompt and retrieval but no adapter, {share:.0%} of the answers "
            "cite nothing, though the prompt asks for it. Try an adapter or a larger model first."
        )


def unused(factors: Factors, grid: Grid) -> Iterator[str]:
    """Retrieval: it adds passages, but not answers."""
    shown = [one for one in of_cell(grid, cell_with(factors)) if (one.scores["recall_at_k"] or 0.0) >= WHOLE]
    share = part((one.scores["right"] or 0.0) < WHOLE for one in shown)
    if share is not None and share > MOST_UNUSED:
        yield (
            f"Passages that become no answers: with all layers on, {share:.0%} of the questions whose document was "
            "shown are not wholly answered. Search found it: look at the passage's place, and at the model."
        )


def answered_anyway(factors: Factors, grid: Grid) -> Iterator[str]:
    """Adapter: it learnt to answer, whatever is asked."""
    refusals = [one.scores["refused"] for one in of_cell(grid, cell_with(factors))]
    share = part(value == 0 for value in refusals if value is not None)
    if share is not None and share > MOST_ANSWERED:
        yield (
            f"Answers where there is none: with all layers on, {share:.0%} of the questions that no document "
            "answers get an answer all the same. Raise layers.retrieval.min_cosine, or train on more refusals."
        )


def cell_with(factors: Factors, **levels: str) -> Cell:
    """Everything on, but for these."""
    return Cell(**{factor: levels.get(factor, factors.others(factor)[0]) for factor in FACTORS})


def of_cell(grid: Grid, cell: Cell) -> Sequence[Answer]:
    return [grid.answers[cell, question.id] for question in grid.questions]


def part(values: Iterator[bool]) -> float | None:
    """The share of what is true; None of too few."""
    known = list(values)
    return sum(known) / len(known) if len(known) >= FEWEST else None
