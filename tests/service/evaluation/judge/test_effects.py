from pathlib import Path

import pytest

from service.evaluation.design import cells_of
from service.evaluation.grid import grid_of
from service.evaluation.judge.effects import LayerUnderJudge, layers_under_judge
from service.evaluation.judge.opinions import opinions
from service.evaluation.report import report_of
from service.evaluation.store import Run
from tests.service.evaluation.judge.small_judgements import agreeing, both, judged_by
from tests.service.evaluation.small_evaluation import planted


def found(run: Run) -> dict[str, LayerUnderJudge]:
    grid = grid_of(run, cells_of(run.design.factors))
    return {one.name: one for one in layers_under_judge(run.design, grid, opinions(run, run.judgements))}


def test_a_judge_that_sees_it_as_the_metric_does_finds_the_same_effects(tmp_path: Path) -> None:
    run = agreeing(planted(tmp_path, {"adapter": 0.4}, questions=30))
    layers = found(run)
    for layer in report_of(run).layers:
        assert layers[layer.name].judged == layers[layer.name].scored
        assert layers[layer.name].judged.mean == pytest.approx(layer.effect.mean)


def test_a_judge_of_its_own_mind_finds_its_own_effects(tmp_path: Path) -> None:
    run = planted(tmp_path, {"adapter": 0.4}, questions=30)
    made = [one for answer in run.answers for one in both(answer, LABELS[answer.cell.prompt])]
    layers = found(judged_by(run, made))
    assert (layers["prompt"].judged.mean, layers["adapter"].judged.mean) == (1.0, 0.0)


LABELS = {"on": "right", "off": "wrong"}


def test_both_are_over_the_questions_that_were_judged_in_every_combination(tmp_path: Path) -> None:
    run = agreeing(planted(tmp_path, {"adapter": 0.4}, questions=30))
    few = {one.id for one in run.questions[:12]}
    some = [one for one in run.judgements if one.question in few][:-1]
    layers = found(judged_by(run, some))
    assert {one.judged.questions for one in layers.values()} == {11}
    assert {one.scored.questions for one in layers.values()} == {11}


def test_without_any_there_is_no_number(tmp_path: Path) -> None:
    run = planted(tmp_path, {"adapter": 0.4}, questions=5)
    layers = found(judged_by(run, list(both(run.answers[0], "right"))))
    assert {(one.judged.mean, one.scored.mean, one.judged.questions) for one in layers.values()} == {
        (None, None, 0)
    }


def test_a_third_level_has_a_line_of_its_own(tmp_path: Path) -> None:
    factors = {"prompt": ["off", "on"], "retrieval": ["off", "on"], "adapter": ["off", "a@1", "a@2"]}
    run = agreeing(planted(tmp_path, {"adapter": 0.4}, questions=20, factors=factors))
    assert list(found(run)) == ["prompt", "retrieval", "adapter a@1", "adapter a@2"]
