import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.evaluation.compare import compare, judged, margins_of
from service.evaluation.design import Cell
from service.evaluation.grid import Change, change_of
from service.evaluation.paired import Interval
from service.evaluation.store import Run, RunError
from tests.service.evaluation.small_evaluation import planted


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted(tmp_path_factory.mktemp("before"), {"adapter": 0.3}, questions=60)


ALL_ON = Cell(prompt="on", retrieval="on", adapter="on")


def worse(run: Run, every: int, cells: Collection[Cell] = ()) -> Run:
    """Every n-th right answer with the adapter, or in these combinations, is wrong now."""
    within = [one for one in run.answers if (one.cell in cells if cells else one.cell.adapter == "on")]
    right = [one for one in within if one.scores["right"] == 1]
    lost = {(one.cell, one.question) for one in right[::every]}
    answers = (
        one.model_copy(update={"scores": {**one.scores, "right": 0.0}}) if (one.cell, one.question) in lost else one
        for one in run.answers
    )
    return replace(run, id="worse", answers=tuple(answers))


def test_a_run_beside_itself_has_not_changed(run: Run) -> None:
    comparison = compare(run, run, margins_of(run))
    assert comparison.regressed == []
    assert (comparison.questions, comparison.only_one, len(comparison.cells)) == (60, 0, 8)
    assert {one.change.mean for one in comparison.metrics.values()} <= {0.0, None}


def test_a_planted_regression_is_found(run: Run) -> None:
    comparison = compare(run, worse(run, 2), margins_of(run))
    assert comparison.regressed == ["right"]
    change = comparison.metrics["right"].change
    assert change.mean is not None and change.mean < -0.1
    assert {label for label, one in comparison.by_cell.items() if one.mean} == {
        label for label in comparison.by_cell if label.endswith("adapter on")
    }


def test_a_loss_where_all_layers_are_on_is_found_though_the_mean_hides_it(run: Run) -> None:
    margins = margins_of(run) | {"right": 0.1}
    comparison = compare(run, worse(run, 2, [ALL_ON]), margins)
    assert not comparison.metrics["right"].regressed
    assert {name for name, one in comparison.fullest[ALL_ON.label].items() if one.regressed} == {"right"}
    assert list(comparison.fullest) == [ALL_ON.label]
    assert comparison.regressed == ["right"]
    bare = Cell(prompt="off", retrieval="off", adapter="off")
    assert compare(run, worse(run, 2, [bare]), margins).regressed == []


def test_of_several_fullest_combinations_each_counts_and_luck_counts_once(tmp_path: Path) -> None:
    factors = {"prompt": ["off", "on"], "retrieval": ["off", "on"], "adapter": ["off", "a@1", "a@2"]}
    run = planted(tmp_path, {"adapter": 0.3}, questions=60, factors=factors)
    both = [ALL_ON.model_copy(update={"adapter": name}) for name in ("a@1", "a@2")]
    comparison = compare(run, worse(run, 2, both[1:]), margins_of(run))
    first, second = (comparison.fullest[cell.label]["right"] for cell in both)
    assert (first.regressed, second.regressed, len(comparison.fullest)) == (False, True, 2)
    alone = comparison.by_cell[both[1].label].interval
    assert second.change.interval is not None and alone is not None
    assert second.change.interval.low < alone.low and second.change.interval.high > alone.high


def test_the_other_way_round_it_is_a_gain(run: Run) -> None:
    assert compare(worse(run, 2), run, margins_of(run)).regressed == []


def test_a_loss_within_the_margin_is_none(run: Run) -> None:
    assert compare(run, worse(run, 2), {"right": 0.9}).regressed == []
    assert compare(run, worse(run, 2), {}).regressed == []


def test_one_unlucky_question_is_none(run: Run) -> None:
    """Below zero, and not shown to be below zero for other questions."""
    assert compare(run, worse(run, 1000), {"right": 0.0001}).regressed == []


def test_questions_pair_by_what_they_say(run: Run) -> None:
    changed = run.questions[0].model_copy(update={"question": "Another?"})
    other = replace(run, questions=(changed, *run.questions[1:-1]))
    comparison = compare(run, other, {})
    assert (comparison.questions, comparison.only_one, comparison.lacking) == (58, 2, 16)


def test_a_run_that_knows_fewer_metrics_is_compared_by_those(run: Run) -> None:
    answers = (
        one.model_copy(update={"scores": {name: value for name, value in one.scores.items() if name != "on_style"}})
        for one in run.answers
    )
    comparison = compare(replace(run, answers=tuple(answers)), run, {})
    assert comparison.metrics["on_style"].change.mean is None
    assert comparison.metrics["right"].change.mean == 0


def test_a_run_in_the_middle_is_compared_as_far_as_it_is(run: Run) -> None:
    comparison = compare(run, replace(run, answers=run.answers[:90]), {})
    assert (len(comparison.cells), comparison.questions) == (2, 60)
    assert sum(change.questions for change in comparison.by_cell.values()) == 90
    assert (comparison.regressed, comparison.lacking, comparison.before) == ([], 390, 480)
    assert comparison.lack().startswith(f"The run {run.id} lacks 390 of the 480 answers of {run.id}")
    assert compare(replace(run, answers=run.answers[:90]), run, {}).lacking == 0


def test_nothing_in_common_is_told(run: Run, tmp_path: Path) -> None:
    factors = {"prompt": ["off", "x@1"], "retrieval": ["off", "on"], "adapter": ["off", "on"]}
    other = planted(tmp_path, {}, questions=3, factors=factors)
    left = replace(other, answers=tuple(one for one in other.answers if one.cell.prompt == "x@1"))
    with pytest.raises(RunError, match="share no question"):
        compare(run, left, {})


@pytest.mark.parametrize(
    ("better", "change", "regressed"),
    [
        ("higher", Change(-0.1, Interval(-0.15, -0.05), 50), True),
        ("higher", Change(-0.1, Interval(-0.25, 0.05), 50), False),
        ("higher", Change(0.1, Interval(0.05, 0.15), 50), False),
        ("lower", Change(0.1, Interval(0.05, 0.15), 50), True),
        ("lower", Change(-0.1, Interval(-0.15, -0.05), 50), False),
        ("higher", Change(-0.1, None, 1), True),
        ("higher", Change(None, None, 0), False),
    ],
)
def test_regressed_is_worse_than_the_margin_and_shown(better: str, change: Change, regressed: bool) -> None:
    assert judged(change, better, 0.05).regressed is regressed  # type: ignore[arg-type]


def test_json_is_plain(run: Run) -> None:
    values = json.loads(json.dumps(compare(run, worse(run, 2), margins_of(run)).as_dict(), allow_nan=False))
    assert values["regressed"] == ["right"]
    assert values["metrics"]["right"]["margin"] == 0.03


def test_the_same_loss_everywhere_counts_though_three_documents_show_nothing_of_others() -> None:
    lost = change_of(np.full(3, -1.0), ["a", "b", "c"])
    assert lost.interval == Interval(-2.0, 0.0)
    assert judged(lost, "higher", 0.03).regressed
