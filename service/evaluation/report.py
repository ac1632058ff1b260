"""The report of a run: the sentence first, then decisions, effects, costs, types, examples and limits."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from service.evaluation.break_even import BreakEven, Spent, break_evens, spent
from service.evaluation.combinations import Combination, combinations
from service.evaluation.design import Cell, Design, cells_of
from service.evaluation.effects import Effect, estimate_by_type
from service.evaluation.examples import Example, examples
from service.evaluation.grid import Grid, Levels, grid_of, pairs_of
from service.evaluation.judge.section import JudgeSection, judge_sections
from service.evaluation.layers import LayerResult, goal_effects, layer_results
from service.evaluation.limits import limits
from service.evaluation.metrics.catalogue import METRICS
from service.evaluation.mistakes import mistakes
from service.evaluation.questions import EMERGENCY, PackQuestion
from service.evaluation.setup import setup_mistakes
from service.evaluation.source_use import SourceUse, source_use
from service.evaluation.store import Run, RunError
from service.evaluation.wording import in_words, listed
from service.plan import FACTORS


@dataclass(frozen=True, slots=True)
class TypeResult:
    """The main effects over the questions of one type."""

    name: str
    questions: int
    effects: Mapping[str, Effect]


@dataclass(frozen=True)
class Report:
    """`questions` were asked in every combination, of `planned`; `groups` counts the documents they are about.

    `judges` are there only where someone asked one: a second opinion, of which no decision is made.
    """

    run: Run
    sentence: str
    questions: int
    planned: int
    groups: int
    layers: tuple[LayerResult, ...]
    interactions: tuple[Effect, ...]
    total: Effect
    source_use: SourceUse
    combinations: tuple[Combination, ...]
    spent: tuple[Spent, ...]
    break_evens: tuple[BreakEven, ...]
    types: tuple[TypeResult, ...]
    judges: tuple[JudgeSection, ...]
    examples: tuple[Example, ...]
    mistakes: tuple[str, ...]
    limits: tuple[str, ...]

    @property
    def design(self) -> Design:
        return self.run.design

    def as_dict(self) -> dict[str, Any]:
        """For a machine: everything but the run's answers, which are in its folder."""
        run = {"id": self.run.id, "created": self.run.created, "folder": str(self.run.folder)}
        values = {name: as_plain(value) for name, value in vars(self).items() if name not in ("run", "examples")}
        return {"run": run, **values, "examples": [example_as_dict(one) for one in self.examples]} | {
            "design": self.design.model_dump(mode="json"),
            "made_from": dict(self.run.made_from),
        }


def as_plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [as_plain(one) for one in value]
    if isinstance(value, LayerResult):
        return {"name": value.name, **asdict(value)}
    if not hasattr(value, "__dataclass_fields__"):
        return value
    return {name: one.model_dump() if isinstance(one, Cell) else one for name, one in asdict(value).items()}


def example_as_dict(example: Example) -> dict[str, Any]:
    return {
        "factor": example.factor,
        "question": example.question.id,
        "text": example.question.question,
        "gold": example.question.answer,
        "without": example.without.text,
        "with": example.with_layer.text,
        "change": example.change,
    }


def report_of(run: Run) -> Report:
    """Raises RunError where no question was answered in every combination yet."""
    design = run.design
    cells = cells_of(design.factors)
    grid = grid_of(run, cells)
    if not grid.questions:
        raise RunError(
            f"No question of run {run.id} was answered in all {len(cells)} combinations yet "
            f"({len(run.answers)} answers are there). `triptych evaluate run` goes on with it."
        )
    levels = pairs_of(design.factors, "prompt", design.factors.others("prompt")[0])
    effects = goal_effects(design, grid, levels)
    layers = tuple(layer_results(design, grid))
    found = tuple(combinations(grid, cells))
    costs = tuple(spent(found, run.setup, design.cost, adapters_of(run))) if design.cost else ()
    return Report(
        run=run,
        sentence=headline(design, layers, found, len(grid.questions)),
        questions=len(grid.questions),
        planned=len(run.questions),
        groups=effects.groups,
        layers=layers,
        interactions=tuple(effects.of("interaction").values()),
        total=effects.of("total")["all on - all off"],
        source_use=source_use(grid, levels, effects),
        combinations=found,
        spent=costs,
        break_evens=tuple(break_evens(costs, design.factors, design.cost.days)) if design.cost else (),
        types=tuple(type_results(design, grid, levels)),
        judges=tuple(judge_sections(run, grid)),
        examples=tuple(examples(design, grid)),
        mistakes=(
            *mistakes(design.factors, grid),
            *setup_mistakes(run.setup, run.made_from, grid.questions),
        ),
        limits=tuple(limits(run, grid, len(cells))),
    )


def adapters_of(run: Run) -> dict[str, str]:
    """What each level of the adapter meant: NAME@VERSION."""
    cells = run.made_from.get("cells", ())
    return {one["asked"]["adapter"]: one["layers"]["adapter"] for one in cells if one["layers"]["adapter"]}


def headline(
    design: Design, layers: tuple[LayerResult, ...], found: tuple[Combination, ...], questions: int
) -> str:
    advice = {"keep": "keep {}", "drop": "drop {}", "more": "ask more questions about {}"}
    parts = [
        text.format(listed([layer.name for layer in layers if layer.decision.verdict == verdict]))
        for verdict, text in advice.items()
        if any(layer.decision.verdict == verdict for layer in layers)
    ]
    first = "; ".join(parts)
    cautions = [layer.caution for layer in layers if layer.caution]
    return " ".join((f"{first[0].upper()}{first[1:]}.", *cautions, best_and_bare(design, found, questions)))


def best_and_bare(design: Design, found: tuple[Combination, ...], questions: int) -> str:
    goal, label = design.goal.metric, METRICS[design.goal.metric].label
    bare = Cell(**{factor: design.factors.reference(factor) for factor in FACTORS})
    means = {one.cell: one.means[goal].value or 0.0 for one in found}
    best = max(means, key=lambda cell: means[cell])
    return (
        f"Over {questions} questions the best combination ({in_words(best)}) reached {means[best]:.0%} {label}; "
        f"{in_words(bare)} reached {means[bare]:.0%}."
    )


def type_results(design: Design, grid: Grid, levels: Levels) -> Iterator[TypeResult]:
    types = [type_of(question, design.types) for question in grid.questions]
    scores = grid.scores(design.goal.metric, levels)
    for name, effects in sorted(estimate_by_type(scores, types, grid.groups, design.seed).items()):
        yield TypeResult(name, effects.questions, effects.of("main"))


def type_of(question: PackQuestion, types: Mapping[str, tuple[str, ...]]) -> str:
    if EMERGENCY in question.tags:
        return EMERGENCY
    if not question.answerable:
        return "unanswerable"
    return next((name for name, tags in types.items() if not set(tags).isdisjoint(question.tags)), "other")
