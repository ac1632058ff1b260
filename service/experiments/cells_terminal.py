"""The combinations of experiments' arms for the terminal: first whether their layers depend on each other."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from service.experiments.cells import CellsReport
from service.experiments.cells_wording import COUNTED, doubt_sentences, members_sentences, named_effects
from service.experiments.units import GOAL
from service.experiments.wording import between, number, signed, sizes_sentence


def as_terminal(report: CellsReport) -> RenderableType:
    return Group(
        *(Text(one.sentence, style="bold") for one in report.interactions),
        cells_table(report),
        effects_table(report),
        *(Text(f"* {note}", style="dim") for note in notes(report)),
    )


def cells_table(report: CellsReport) -> Table:
    table = Table(*report.factors, "Users", "Expected", "Answers", "Rating (-1 to 1)", "At any look")
    for cell in report.cells:
        table.add_row(
            *cell.arms,
            str(cell.units),
            f"{cell.share * report.units:.0f}",
            str(cell.answers),
            number(GOAL, cell.rating),
            between(GOAL, cell.always_valid),
        )
    return table


def effects_table(report: CellsReport) -> Table:
    table = Table("Effect on the rating", "Users", "Change", "At any look", "At one look")
    for name, one in named_effects(report):
        intervals = between(GOAL, one.always_valid), between(GOAL, one.fixed)
        table.add_row(Text(name), str(one.units), signed(GOAL, one.difference), *intervals)
    return table


def notes(report: CellsReport) -> Iterator[str]:
    yield from members_sentences(report)
    yield sizes_sentence(report.srm_p, "cells")
    yield from doubt_sentences(report)
    yield COUNTED
