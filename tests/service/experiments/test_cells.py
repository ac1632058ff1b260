import json
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from configs.slot import Namespace, Slot
from service.experiments.assign import Experiment
from service.experiments.cells import CellsReport, cells_of
from service.experiments.cells_terminal import as_terminal
from service.experiments.cells_wording import doubt_sentences
from service.experiments.running import ExperimentRefused
from service.outcomes import ExposedOutcome
from tests.service.experiments.small_experiment import EXPERIMENT, crossed_experiments, crossed_study

EXPERIMENTS = crossed_experiments()
ADDS_UP = {("long", "old"): 0.4, ("short", "old"): 0.5, ("long", "new"): 0.6, ("short", "new"): 0.7}


def without(made: dict[str, list[ExposedOutcome]], part: str) -> dict[str, list[ExposedOutcome]]:
    """Three of four users of one combination are gone."""
    return {
        key: [one for one in answers if not one.unit.startswith(part) or int(one.unit.split("-")[2]) % 4 == 0]
        for key, answers in made.items()
    }


def report(made: dict[str, list[ExposedOutcome]]) -> CellsReport:
    return cells_of(EXPERIMENTS, made)


def test_every_combination_is_a_cell_of_its_share() -> None:
    found = report(crossed_study(100, ADDS_UP))
    assert [cell.arms for cell in found.cells] == [
        ("long", "old"),
        ("long", "new"),
        ("short", "old"),
        ("short", "new"),
    ]
    assert {(cell.share, cell.units, cell.answers) for cell in found.cells} == {(0.25, 100, 100)}
    assert (found.units, found.left_out, found.crossed, found.srm_p) == (400, 0, 0, 1.0)
    assert len(json.dumps(found.as_dict())) > 100


def test_a_cell_has_the_mean_rating_in_its_interval() -> None:
    for cell, liked in zip(report(crossed_study(300, ADDS_UP)).cells, (0.4, 0.6, 0.5, 0.7), strict=True):
        assert cell.rating == pytest.approx(2 * liked - 1, abs=0.15)
        assert cell.always_valid is not None
        assert cell.always_valid.low < 2 * liked - 1 < cell.always_valid.high


def test_a_combination_that_loses_users_rings_the_alarm() -> None:
    found = report(without(crossed_study(200, ADDS_UP), "short-new"))
    assert found.srm_p < 0.001
    assert found.interactions[0].sentence.startswith("Believe nothing")


def test_cells_of_more_than_one_thing_are_not_believed() -> None:
    made = crossed_study(200, ADDS_UP)
    late = sorted(one.answered for one in made["spring"])[len(made["spring"]) // 2]
    newer = [one.arm == "new" and one.answered > late for one in made["spring"]]
    made["spring"] = [
        replace(one, made_by=f"style@{1 + new}") for one, new in zip(made["spring"], newer, strict=True)
    ]
    found = report(made)
    assert found.interactions[0].sentence.endswith("what adapter new had in the layer changed.")
    assert set(found.makers[1]["new"]) == {"style@1", "style@2"}
    (told,) = doubt_sentences(found)
    assert told.startswith("In the layer of adapter new stood") and "raise bucket_version" in told
    console = Console(record=True, width=400, file=StringIO())
    console.print(as_terminal(found))
    assert told in console.export_text()


def test_one_seed_gives_the_same_users_the_same_arms() -> None:
    made = crossed_study(200, {("long", "old"): 0.5, ("short", "new"): 0.5})
    found = cells_of([replace(EXPERIMENTS[0], seed="s"), EXPERIMENT], made)
    assert found.same_seed == ("june", "spring")
    assert found.srm_p < 0.001


def test_without_answers_the_cells_are_empty() -> None:
    found = report({"june": [], "spring": []})
    assert [(cell.units, cell.rating, cell.always_valid) for cell in found.cells] == [(0, None, None)] * 4
    assert found.srm_p == 1


@pytest.mark.parametrize(
    ("experiments", "said"),
    [
        ([], "2 experiments or more, got none"),
        ([EXPERIMENT], "2 experiments or more, got spring"),
        ([EXPERIMENT, EXPERIMENT], "both about the adapter layer"),
        ([EXPERIMENT, replace(EXPERIMENT, key="autumn")], "'spring' and 'autumn' are both about the adapter layer"),
        (
            [
                replace(EXPERIMENT, slot=Slot(ends=datetime(2026, 6, 1, tzinfo=UTC))),
                *crossed_experiments(slot=Slot(starts=datetime(2026, 6, 1, tzinfo=UTC)))[:1],
            ],
            "'spring' and 'june' share no user",
        ),
        (
            [
                replace(EXPERIMENT, slot=Slot(Namespace("n", 0, 0.5))),
                *crossed_experiments(slot=Slot(Namespace("n", 0.5, 1)))[:1],
            ],
            "share no user",
        ),
    ],
)
def test_what_has_no_cells_is_refused_with_a_reason(experiments: list[Experiment], said: str) -> None:
    with pytest.raises(ExperimentRefused, match=said):
        cells_of(experiments, {one.key: [] for one in experiments})
