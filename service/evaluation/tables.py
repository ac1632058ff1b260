"""A table for the terminal, in which text is text."""

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    made = Table(title=title, title_justify="left")
    for head in heads:
        made.add_column(head, overflow="fold")
    for row in rows:
        # As plain text: square brackets are no markup.
        made.add_row(*(Text(str(cell)) for cell in row))
    return made
