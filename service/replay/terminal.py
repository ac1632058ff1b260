"""A replay for the terminal: the sentence first, then what differs, then both answers side by side."""

from collections.abc import Iterable, Iterator
from itertools import groupby, zip_longest

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from service.plan import FACTORS
from service.replay.differences import Told
from service.replay.report import Replay
from service.replay.sentences import Sentence

STYLES = (("then", "red"), ("now", "green"))

Row = tuple[Text, Text]


def as_terminal(replay: Replay) -> RenderableType:
    return Group(
        Text(replay.sentence, style="bold"),
        *(Text(f"* {one.sentence}", style="yellow") for one in replay.differences),
        side_by_side(replay),
    )


def side_by_side(replay: Replay) -> Table:
    """What made each answer, then its sentences; those that both have stand beside each other, dim."""
    table = Table("Then", "Now", title=Text(replay.question), title_justify="left")
    table.add_row(*(Text(made_by(one)) for one in (replay.then, replay.now)), end_section=True)
    for row in rows(replay.sentences):
        table.add_row(*row)
    return table


def made_by(told: Told) -> str:
    if told.path == "emergency":
        return "emergency hand-off, no layer ran"
    layers = (f"{factor} {told.acted(factor) or 'off'}" for factor in FACTORS)
    return "\n".join((*layers, told.manifest["engine"] if told.path == "model" else "fixed text, no model ran"))


def rows(sentences: Iterable[Sentence]) -> Iterator[Row]:
    """What was replaced stands beside what replaces it."""
    for same, group in groupby(sentences, key=lambda one: one.said == "same"):
        found = list(group)
        if same:
            yield from ((Text(one.text, style="dim"), Text(one.text, style="dim")) for one in found)
            continue
        only = [[Text(one.text, style=style) for one in found if one.said == said] for said, style in STYLES]
        yield from zip_longest(*only, fillvalue=Text())
