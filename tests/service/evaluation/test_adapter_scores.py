from dataclasses import replace
from pathlib import Path

import pytest

from adapters.scores import AdapterScore
from service.evaluation.adapter_scores import adapter_scores
from service.evaluation.store import Answer, Run
from tests.service.evaluation.small_evaluation import planted

WEIGHTS = "a" * 64


def with_makers(run: Run) -> Run:
    """The planted answers, with what their manifests would say of the adapter."""

    def made(answer: Answer) -> Answer:
        on = answer.cell.adapter != "off"
        manifest = {
            "acted": {"adapter": "style@2" if on else None},
            "adapter_sha256": WEIGHTS if on else None,
        }
        return answer.model_copy(update={"manifest": manifest})

    return replace(run, answers=tuple(map(made, run.answers)))


def scored(folder: Path, effect: float, **other: float) -> AdapterScore:
    (score,) = adapter_scores(with_makers(planted(folder, {"adapter": effect}, questions=80, other=other)))
    return score


def test_a_helpful_adapter_is_worse_in_nothing(tmp_path: Path) -> None:
    score = scored(tmp_path, 0.3, k_precision=0.1)
    assert (score.adapter, score.weights_sha256, score.questions) == ("style@2", WEIGHTS, 80)
    assert score.worse == {}
    right, precision = score.findings["right"], score.findings["k_precision"]
    assert right.with_adapter - right.without == pytest.approx(right.change)
    assert right.change > 0.1 and right.margin == 0.03
    assert (precision.with_adapter, precision.without) == pytest.approx((0.6, 0.5))


def test_every_combination_with_it_or_without_any_is_told_with_its_interval(tmp_path: Path) -> None:
    run = with_makers(planted(tmp_path, {"adapter": 0.3}, questions=80))
    (score,) = adapter_scores(run)
    assert len(score.combinations) == 8 and score.engine == run.made_from["engine"]
    whole = score.combinations["prompt on, retrieval on, adapter on"]["right"]
    answers = [
        right
        for one in run.answers
        if one.cell.label == "prompt on, retrieval on, adapter on" and (right := one.scores["right"]) is not None
    ]
    assert whole.mean == pytest.approx(sum(answers) / len(answers)) and whole.questions == len(answers) == 80
    assert whole.interval is not None and whole.interval[0] < whole.mean < whole.interval[1]
    assert AdapterScore.model_validate_json(score.model_dump_json()) == score


@pytest.mark.parametrize(
    ("effect", "other", "worse"),
    [
        (-0.25, {}, ["right"]),
        (0.3, {"k_precision": -0.2}, ["k_precision"]),
        (0.3, {"k_precision": -0.04}, []),
        (0.3, {"emergency_handled": -0.1}, ["emergency_handled"]),
    ],
)
def test_a_loss_beyond_its_margin_is_named(
    tmp_path: Path, effect: float, other: dict[str, float], worse: list[str]
) -> None:
    assert list(scored(tmp_path, effect, **other).worse) == worse


def test_what_no_question_measures_is_left_out(tmp_path: Path) -> None:
    assert "refused" not in scored(tmp_path, 0.3).findings


def test_an_adapter_that_was_never_asked_with_retrieval_has_no_score(tmp_path: Path) -> None:
    run = with_makers(planted(tmp_path, {"adapter": 0.3}, questions=10))
    without = tuple(one for one in run.answers if one.cell.retrieval == "off")
    assert adapter_scores(replace(run, answers=without)) == []


def test_a_run_without_an_adapter_says_nothing_of_one(tmp_path: Path) -> None:
    assert adapter_scores(planted(tmp_path, {"adapter": 0.3}, questions=10)) == []


def test_a_loss_where_all_layers_are_on_is_not_outweighed_by_a_gain_elsewhere(tmp_path: Path) -> None:
    run = with_makers(planted(tmp_path, {"adapter": 0.0}, questions=80))

    def turned(answer: Answer) -> Answer:
        """The adapter loses all with the prompt, and wins all without it."""
        right = 0.5 if answer.cell.adapter == "off" else float(answer.cell.prompt == "off")
        return answer.model_copy(update={"scores": answer.scores | {"right": right}})

    (score,) = adapter_scores(replace(run, answers=tuple(map(turned, run.answers))))
    assert not score.findings["right"].worse
    assert list(score.worse) == ["right with prompt on, retrieval on, adapter on"]
    assert "right with prompt on, retrieval on, adapter on 0.500 -> 0.000 (margin 0.03)" in score.refusal()
    assert AdapterScore.model_validate_json(score.model_dump_json()) == score


def test_a_loss_by_one_question_alone_blocks_and_says_so(tmp_path: Path) -> None:
    run = with_makers(planted(tmp_path, {"adapter": 0.0}, questions=1))
    lost = tuple(
        one.model_copy(update={"scores": one.scores | {"right": float(one.cell.adapter == "off")}})
        for one in run.answers
    )
    (score,) = adapter_scores(replace(run, answers=lost))
    assert "right 1.000 -> 0.000 (margin 0.03; by one question or one document alone" in score.refusal()
