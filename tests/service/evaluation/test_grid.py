from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.evaluation.design import cells_of, read_design
from service.evaluation.grid import change_of, grid_of, groups_of, mean_of_known, pairs_of, switched_on
from service.plan import FACTORS
from tests.service.evaluation.small_evaluation import planted, written


def test_scores_stand_at_their_combination(tmp_path: Path) -> None:
    run = planted(tmp_path, {"adapter": 0.4}, questions=4)
    grid = grid_of(run, cells_of(run.design.factors))
    scores = grid.scores("right", pairs_of(run.design.factors, "prompt", "on"))
    assert scores.shape == (4, 2, 2, 2)
    for answer in run.answers:
        row = [question.id for question in grid.questions].index(answer.question)
        cell = answer.cell
        at = tuple(int(level == "on") for level in (cell.prompt, cell.retrieval, cell.adapter))
        assert scores[(row, *at)] == answer.scores["right"]


def test_what_is_missing_is_nan_and_only_there(tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=3)
    grid = grid_of(run, cells_of(run.design.factors))
    scores = grid.scores("k_precision", pairs_of(run.design.factors, "prompt", "on"))
    assert np.isnan(scores[:, :, 0, :]).all()
    assert not np.isnan(scores[:, :, 1, :]).any()


def test_only_questions_with_every_combination_count(tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=5)
    cells = cells_of(run.design.factors)
    cut = replace(run, answers=run.answers[:-2])
    assert len(grid_of(cut, cells).questions) == 3


def test_a_change_is_on_minus_off_wherever_both_are_known() -> None:
    scores = np.zeros((2, 2, 2, 2))
    scores[:, :, :, 1] = 1.0
    scores[0, :, 0, :] = np.nan
    scores[1, :, :, 0] = np.nan
    changes = switched_on(scores, "adapter")
    assert changes.shape == (2, 4)
    assert mean_of_known(changes)[0] == 1.0
    assert np.isnan(mean_of_known(changes)[1])


def test_the_last_column_has_the_others_on() -> None:
    scores = np.zeros((1, 2, 2, 2))
    scores[0, 1, 1, 1] = 1.0
    for factor in FACTORS:
        assert switched_on(scores, factor).tolist() == [[0.0, 0.0, 0.0, 1.0]]


def test_a_change_needs_two_groups_for_an_interval() -> None:
    assert change_of(np.array([np.nan]), ["a"]).mean is None
    one = change_of(np.array([0.5, 1.0]), ["a", "a"])
    assert (one.mean, one.interval, one.questions) == (0.75, None, 2)
    two = change_of(np.array([0.5, 1.0]), ["a", "b"])
    assert two.interval is not None and two.interval.low < 0.75 < two.interval.high


def test_what_changed_alike_everywhere_has_no_interval_of_no_width() -> None:
    found = change_of(np.full(20, -0.2), [f"d{number % 10}" for number in range(20)])
    assert found.interval is not None and found.alike
    assert (found.interval.low, found.interval.high) == pytest.approx((-0.5, 0.1))
    words = change_of(np.full(3, 0.0), ["a", "b", "c"], unit="words")
    assert (words.mean, words.interval, words.alike) == (0.0, None, True)


def test_questions_without_a_document_stand_for_themselves(tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=2)
    free = run.questions[0].model_copy(update={"documents": ()})
    assert groups_of([run.questions[1], free]) == [run.questions[1].documents[0], free.id]


@pytest.mark.parametrize(("level", "expected"), [("a@1", ("off", "a@1")), ("a@2", ("off", "a@2"))])
def test_a_third_level_is_paired_with_off(tmp_path: Path, level: str, expected: tuple[str, str]) -> None:
    factors = {"prompt": ["on", "off"], "retrieval": ["off", "on"], "adapter": ["off", "a@1", "a@2"]}
    found = pairs_of(read_design(written(tmp_path, factors=factors)).factors, "adapter", level)
    assert found == {"prompt": ("off", "on"), "retrieval": ("off", "on"), "adapter": expected}
