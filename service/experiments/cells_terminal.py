"""The combinations of experiments' arms for the terminal: first whether their layers depend on each other."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from service.experiments.cells import CellsReport
from service.experiments.units import GOAL
from service.experiments.wording import between, count, number, sizes_sentence


def as_terminal(report: CellsReport) -> RenderableType:
    return Group(
        *(Text(one.sentence, style="bold") for one in report.interactions),
        cells_table(report),
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


def notes(report: CellsReport) -> Iterator[str]:
    met, left_out = count(report.units, "user"), count(report.left_out, "user")
    yield (
        f"{met} met all of {', '.join(report.experiments)}, in the {report.days:.1f} days that "
        f"they ran together. Left out: {left_out} who met only some of them, or at another time."
    )
    if report.crossed:
        yield f"Seen under two arms of one experiment, counted nowhere: {count(report.crossed, 'user')}."
    yield sizes_sentence(report.srm_p, "cells")
    if report.same_seed:
        keys = ", ".join(report.same_seed)
        yield f"One seed for {keys}: their arms go together, and no effect can be told from another."
    yield (
        "A user counts once, with the mean over all answers in that time, without CUPED. A cell's interval is for "
        "itself, those of the interactions are right together (Bonferroni)."
    )
