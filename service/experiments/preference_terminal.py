"""An interleaved experiment's report for the terminal: the sentence first."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from service.experiments.preference import PreferenceReport
from service.experiments.preference_wording import notes


def as_terminal(report: PreferenceReport) -> RenderableType:
    return Group(
        Text(report.sentence, style="bold"),
        sides_table(report),
        *(Text(f"* {note}", style="dim") for note in notes(report)),
    )


def sides_table(report: PreferenceReport) -> Table:
    table = Table("", *(f"{side.name} ({side.value})" for side in report.sides))
    for name in ("wins", "drafted", "cited"):
        table.add_row(name, *(str(getattr(side, name)) for side in report.sides))
    return table
