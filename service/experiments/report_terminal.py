"""An experiment's report for the terminal: the sentence first."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from service.experiments.report import METRICS, ExperimentReport
from service.experiments.sequential import SRM_ALARM, TestedInterval
from service.experiments.verdict import MetricEffect

UNITS = {
    "rating": "rating (-1 to 1)",
    "escalated": "escalated",
    "follow_up_needed": "still open",
    "latency_ms": "ms",
}
NONE = "–"


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
    table.add_row("share", *(f"{arm.share:g}" for arm in arms))
    for name in ("units", "answers", "rated"):
        table.add_row({"units": "users"}.get(name, name), *(str(getattr(arm, name)) for arm in arms))
    for metric in METRICS:
        table.add_row(UNITS[metric], *(number(metric, arm.means[metric]) if arm.means else NONE for arm in arms))
    return table


def effects_table(effects: Iterable[MetricEffect]) -> Table:
    table = Table("Arm", "Less control", "Change", "At any look", "p", "At one look")
    for one in effects:
        change = NONE if one.difference is None else signed(one.metric, one.difference)
        p = NONE if one.always_valid is None else f"{one.always_valid.p:.3f}"
        table.add_row(
            one.arm,
            UNITS[one.metric],
            change,
            between(one.metric, one.always_valid),
            p,
            between(one.metric, one.fixed),
        )
    return table


def notes(report: ExperimentReport) -> list[str]:
    ratio = "fit" if report.srm_p >= SRM_ALARM else "do not fit"
    told = [
        f"{report.days:.1f} days. The arms' sizes {ratio} their shares (p = {report.srm_p:.3g}).",
        f"{report.with_past} users had answers before; their ratings are less what those foretell.",
        "A user counts once, with the mean over all answers; an answer that nobody rated counts 0.",
    ]
    if report.crossed:
        told.append(f"{report.crossed} users were seen under two arms and count in none.")
    return told


def between(metric: str, interval: TestedInterval | None) -> str:
    return f"{signed(metric, interval.low)} to {signed(metric, interval.high)}" if interval else NONE


def signed(metric: str, value: float) -> str:
    return f"{value:+.0f}" if metric == "latency_ms" else f"{value:+.3f}"


def number(metric: str, value: float) -> str:
    return f"{value:.0f}" if metric == "latency_ms" else f"{value:.3f}"
