from dataclasses import replace
from io import StringIO

from rich.console import Console

from service.experiments.cells import CellsReport, cells_of
from service.experiments.cells_terminal import as_terminal
from tests.service.experiments.small_experiment import answer, crossed_experiments, crossed_study

EXPERIMENTS = crossed_experiments()
ADDS_UP = {("long", "old"): 0.4, ("short", "old"): 0.5, ("long", "new"): 0.6, ("short", "new"): 0.7}


def shown(report: CellsReport) -> str:
    console = Console(record=True, width=160, file=StringIO())
    console.print(as_terminal(report))
    return console.export_text()


def test_it_says_first_whether_the_layers_depend_on_each_other() -> None:
    made = crossed_study(200, ADDS_UP)
    made["spring"] += [answer("zoe", "new"), answer("max", "new", None, 1), answer("max", "old", None, 2)]
    made["june"] += [replace(answer("max", "long", None, 3), experiment="june")]
    text = shown(cells_of(EXPERIMENTS, made))
    assert text.startswith("The adapter's effect does not depend on the prompt, as far as 800 users tell")
    assert "prompt short × adapter new" in text
    assert "800 users met all of june, spring" in text
    assert "Left out: 1 user who met only some of them" in text
    assert "counted nowhere: 1 user." in text
    assert "The cells' sizes fit their shares" in text


def test_one_seed_is_named_as_the_reason() -> None:
    made = crossed_study(200, {("long", "old"): 0.5, ("short", "new"): 0.5})
    text = shown(cells_of([replace(EXPERIMENTS[0], seed="s"), EXPERIMENTS[1]], made))
    assert "The cells' sizes do not fit their shares" in text
    assert "One seed for june, spring" in text


def test_without_users_there_are_dashes() -> None:
    assert "–" in shown(cells_of(EXPERIMENTS, {"june": [], "spring": []}))
