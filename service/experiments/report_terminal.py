"""An experiment's report for the terminal: the sentence first."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from service.experiments.past import past_sentence
from service.experiments.report import ExperimentReport
from service.experiments.units import METRICS
from service.experiments.verdict import MetricEffect
from service.experiments.wording import UNITS, between, chance, mixed_sentences, number, signed, sizes_sentence


def as_terminal(report: ExperimentReport) -> RenderableType:
    return Group(
        *(Text(verdict.sentence, style="bold") for verdict in report.verdicts),
        arms_table(report),
        effects_table(report.effects),
        *(Text(f"* {note}", style="dim") for note in notes(report)),
    )


def arms_table(report: ExperimentReport) -> Table:
    """An arm is a column, so that it fits a narrow terminal."""
    arms = report.arms
    table = Table("", *(f"{arm.name} ({arm.value})" for arm in arms))
    table.add_row("share", *(f"{arm.share:.3g}" for arm in arms))
    for name in ("units", "answers", "rated"):
        table.add_row({"units": "users"}.get(name, name), *(str(getattr(arm, name)) for arm in arms))
    for metric in METRICS:
        table.add_row(UNITS[metric], *(number(metric, arm.means.get(metric)) for arm in arms))
    return table


def effects_table(effects: Iterable[MetricEffect]) -> Table:
    table = Table("Arm", "Less control", "Change", "At any look", "p", "At one look")
    for one in effects:
        table.add_row(
            one.arm,
            UNITS[one.metric],
            signed(one.metric, one.difference),
            between(one.metric, one.always_valid),
            chance(one.always_valid.p if one.always_valid else None),
            between(one.metric, one.fixed),
        )
    return table


def notes(report: ExperimentReport) -> list[str]:
    told = [
        f"{report.days:.1f} days. {sizes_sentence(report.srm_p)}",
        past_sentence(report.with_past, report.units, report.explained),
        "A user counts once, with the mean over all answers; an answer that nobody rated counts 0.",
    ]
    if report.crossed:
        told.append(f"{report.crossed} users were seen under two arms and count in none.")
    return [*told, *mixed_sentences((arm.name, arm.makers) for arm in report.arms)]
