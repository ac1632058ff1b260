from pathlib import Path

import pytest

from service.evaluation.judge.judgements import Judgement
from service.evaluation.judge.opinions import HALF, Opinion, judges, opinions
from service.evaluation.score import NOT_FOR_IT
from service.evaluation.store import Run
from tests.service.evaluation.judge.small_judgements import SHA, both, judged_by
from tests.service.evaluation.small_evaluation import planted


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return planted(tmp_path, {"adapter": 0.4}, questions=2)


def opinion(run: Run, *judgements: Judgement) -> Opinion:
    (found,) = opinions(run, judgements)
    return found


def test_both_orders_make_one_value(run: Run) -> None:
    same = opinion(run, *both(run.answers[0], "mostly right"))
    assert same.labels("right") == ("mostly right", "mostly right")
    assert same.value("right") == pytest.approx(2 / 3)
    apart = opinion(run, *both(run.answers[0], "right", "wrong"))
    assert (apart.values("right"), apart.value("right")) == ((1.0, 0.0), 0.5)


def test_k_precision_stands_beside_support_and_refused_beside_refuses(run: Run) -> None:
    found = opinion(run, *both(run.answers[0], "right"))
    assert found.labels("k_precision") == ("most sentences", "most sentences")
    assert found.labels("refused") == ("no", "no")


def test_a_question_that_nothing_answers_is_right_if_it_is_refused(run: Run) -> None:
    found = opinion(run, *both(run.answers[0], "right", verdicts={"refuses": "yes"}, missing={"right": NOT_FOR_IT}))
    unanswerable = Opinion(found.question.model_copy(update={"answerable": False}), found.answer, found.both)
    assert (unanswerable.value("right"), unanswerable.value("refused")) == (1.0, 1.0)
    assert found.labels("right") == NOT_FOR_IT and found.value("right") is None


def test_half_or_bad_is_no_value_and_says_why(run: Run) -> None:
    first, _ = both(run.answers[0], "right")
    assert opinion(run, first).labels("right") == HALF
    bad = opinion(run, *both(run.answers[0], "right", None))
    assert (bad.labels("right"), bad.value("right"), bad.values("right")) == ("the reply is not JSON", None, None)


def test_a_judgement_of_another_text_counts_for_nothing(run: Run) -> None:
    old = both(run.answers[0], "right", answer_sha256="0" * 64)
    assert opinions(run, list(old)) == []


def test_each_model_and_each_prompt_is_a_judge_of_its_own(run: Run) -> None:
    made = [
        *both(run.answers[0], "right"),
        *both(run.answers[0], "right", model="judge-2"),
        *both(run.answers[0], "right", prompt_sha256="f" * 64),
    ]
    assert judges(judged_by(run, made)) == [("judge-1", SHA), ("judge-2", SHA), ("judge-1", "f" * 64)]
