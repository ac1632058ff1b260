"""The command `triptych adapters curve`: what more examples bring, by trainings on fewer of them."""

from typing import Annotated

import typer
from rich.console import Group
from rich.table import Table

from adapters.card import CurvePoint
from adapters.terminal import WRONG_USE, ConfigOption, JsonOption, show, stop
from adapters.training_commands import RecipeArgument, WorkOption, training_libraries, training_settings

SizesOption = Annotated[str, typer.Option(help="Numbers of examples, with commas between them.")]
MinutesOption = Annotated[
    float | None, typer.Option(min=0, help="Begin no training that would end later; call it again to go on.")
]


def curve_command(
    recipe: RecipeArgument,
    sizes: SizesOption = "100,200,400,800",
    minutes: MinutesOption = None,
    work: WorkOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Train on some of a recipe's examples, then on more, and tell whether more of them still help."""
    wanted = sizes_of(sizes)
    with training_libraries():
        from adapters.curve_training import draw
    with training_settings(config) as settings:
        drawn = draw(recipe, wanted, minutes, settings, work)
    left = ", ".join(map(str, drawn.left))
    rest = f"\nThe minutes were too few for {left} examples: the same command goes on there." if left else ""
    told = f"The same for all points: {drawn.curve.held}.\n{drawn.curve.finding}{rest}"
    values = {"file": str(drawn.file), "left": drawn.left, **drawn.curve.model_dump(mode="json")}
    show(values, Group(points_table(drawn.curve.points), told), as_json)


def sizes_of(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise stop(f"--sizes: expected numbers such as 100,200,400, got {text!r}.", WRONG_USE)
    return sorted({int(part) for part in parts})


def points_table(points: tuple[CurvePoint, ...]) -> Table:
    table = Table("Examples", "Rows", "Steps", "Validation loss", "Tokens right", "Minutes")
    for one in points:
        figures = f"{one.loss:.4f}", f"{one.score:.1%}", f"{one.minutes:.1f}"
        table.add_row(str(one.examples), str(one.rows), str(one.steps), *figures)
    return table
