"""A report and a comparison for the terminal."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from service.evaluation import wording
from service.evaluation.combinations import told_costs
from service.evaluation.compare import Comparison, Difference
from service.evaluation.judge.terminal import judge_parts
from service.evaluation.metrics.catalogue import METRICS
from service.evaluation.report import Report
from service.evaluation.tables import table
from service.plan import FACTORS

SHOWN = ("right", "answer_recall", "k_precision", "right_citation", "answered", "refused")
SAID = ("on_style", "style_likeness", "you_form", "reading_grade", "words")


def as_terminal(report: Report) -> RenderableType:
    return Group(
        Text(report.sentence, style="bold"),
        *(Text(" ".join(filter(None, (layer.decision.sentence, layer.caution)))) for layer in report.layers),
        effects_table(report),
        guardrails_table(report),
        combinations_table(report, "Combinations", SHOWN),
        combinations_table(report, "Style, apart from facts; guardrails at most", SAID),
        costs_table(report),
        *((spent_table(report),) if report.spent else ()),
        *(Text(wording.break_even(even)) for even in report.break_evens),
        *((Text(wording.CHEAP),) if report.break_evens else ()),
        Text(report.source_use.sentence),
        types_table(report),
        *(part for judge in report.judges for part in judge_parts(judge)),
        *(Text(mistake, style="yellow") for mistake in report.mistakes),
        *(Text(f"* {limit}", style="dim") for limit in report.limits),
    )


def effects_table(report: Report) -> Table:
    goal = report.design.goal.metric
    found = [*((f"{layer.name}, Shapley", layer.shapley) for layer in report.layers)]
    rows = [
        *((layer.name, layer.effect) for layer in report.layers),
        *((effect.name, effect) for effect in report.interactions),
        *found,
        (report.total.name, report.total),
    ]
    title = f"Change of {METRICS[goal].label}, in points, over {report.questions} questions"
    cells = (
        (name, wording.change(goal, one.mean), wording.between(goal, one.interval), wording.chance(one.p_holm))
        for name, one in rows
    )
    return table(title, ("Effect", "Change", "95 % interval", "p (Holm)"), cells)


def guardrails_table(report: Report) -> Table:
    rows = [
        (layer.name, name, f"{one.change:+.3f}" if one.change is not None else "", one.margin, wording.holds(one))
        for layer in report.layers
        for name, one in layer.guardrails.items()
    ]
    return table("Guardrails, with the other layers on", ("Layer", "Metric", "Change", "Margin", ""), rows)


def combinations_table(report: Report, title: str, shown: Sequence[str]) -> Table:
    rows = (
        (*levels(one.cell.model_dump()), *(wording.value(name, one.means[name].value) for name in shown))
        for one in report.combinations
    )
    return table(title, (*FACTORS, *(METRICS[name].label for name in shown)), rows)


def costs_table(report: Report) -> Table:
    told = told_costs(report.combinations)
    rows = (
        (
            *levels(one.cell.model_dump()),
            *(wording.plain(one.means[cost].value) for cost in told),
            wording.plain(one.slow),
            *(wording.plain(one.per_right[cost]) for cost in told),
        )
        for one in report.combinations
    )
    heads = (*(METRICS[cost].label for cost in told), "ms, slowest 5 %", *(f"{c} a right answer" for c in told))
    return table("Cost of an answer", (*FACTORS, *(head.replace("_", " ") for head in heads)), rows)


def spent_table(report: Report) -> Table:
    rows = (
        (*levels(one.cell.model_dump()), wording.plain(one.minutes), wording.plain(one.per_right))
        for one in report.spent
    )
    heads = (*FACTORS, "Once, minutes", "ms a right answer, all in all")
    return table("With what a layer takes once, at the declared number of questions", heads, rows)


def levels(cell: dict[str, str]) -> Iterator[str]:
    yield from (cell[factor] for factor in FACTORS)


def types_table(report: Report) -> Table:
    goal = report.design.goal.metric
    rows = (
        (one.name, one.questions, *(wording.effect(goal, one.effects[factor]) for factor in FACTORS))
        for one in report.types
    )
    return table("By type of question, in points; a hint, not a test", ("Type", "Questions", *FACTORS), rows)


def comparison_as_terminal(comparison: Comparison) -> RenderableType:
    heads = ("Metric", "Change", "95 % interval", "Unit", "Questions", "Margin", "")
    title = f"{comparison.second} minus {comparison.first}, {len(comparison.cells)} combinations"
    fullest = ((label, *row) for label, changes in comparison.fullest.items() for row in difference_rows(changes))
    by_cell = (
        (label, wording.effect(comparison.goal, change), change.questions)
        for label, change in comparison.by_cell.items()
    )
    goal = METRICS[comparison.goal].label
    return Group(
        table(title, heads, difference_rows(comparison.metrics)),
        table("With the most layers on; the intervals hold together", ("Cell", *heads), fullest),
        table(f"{goal}, in points", ("Cell", "Change", "Questions"), by_cell),
        Text(wording.NO_INTERVAL),
    )


def difference_rows(differences: Mapping[str, Difference]) -> Iterator[tuple[object, ...]]:
    for metric, one in differences.items():
        yield (
            METRICS[metric].label,
            wording.change(metric, one.change.mean),
            wording.between(metric, one.change.interval),
            wording.unit(metric),
            one.change.questions,
            "" if one.margin is None else one.margin,
            "REGRESSED" if one.regressed else "",
        )
