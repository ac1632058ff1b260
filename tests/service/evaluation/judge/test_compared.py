from dataclasses import replace

import pytest

from service.evaluation.judge.agreement import FIRST_CONSTANT, NOTHING
from service.evaluation.judge.compared import UNSTEADY, Compared, compared, length, steadiness
from service.evaluation.judge.judgements import Judgement
from service.evaluation.judge.opinions import opinions
from service.evaluation.store import Answer, Run
from tests.service.evaluation.judge.small_judgements import agreeing, both, judged_by, verdict
from tests.service.evaluation.small_evaluation import planted


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted(tmp_path_factory.mktemp("compared"), {"adapter": 0.4}, questions=30)


def by_metric(run: Run) -> dict[str, Compared]:
    return {one.metric: one for one in compared(opinions(run, run.judgements))}


def counts(one: Compared) -> dict[str, tuple[int, ...]]:
    return {row.verdict: row.counts for row in one.rows}


def test_a_judge_that_sees_it_as_the_metric_does_agrees_fully(run: Run) -> None:
    found = by_metric(agreeing(run))["right"]
    assert found.estimate.value == pytest.approx(1.0)
    right = sum(answer.scores["right"] == 1 for answer in run.answers)
    assert counts(found)["right"] == (0, 0, right)
    assert counts(found)["wrong"] == (240 - right, 0, 0)


def test_what_the_judge_says_of_all_alike_agrees_with_nothing(run: Run) -> None:
    judgements = [one for answer in run.answers for one in both(answer, "right")]
    found = by_metric(judged_by(run, judgements))["right"]
    assert (found.estimate.value, found.estimate.missing) == (None, FIRST_CONSTANT)
    assert sum(counts(found)["right"]) == 240


def test_a_metric_that_no_answer_has_says_so(run: Run) -> None:
    found = by_metric(agreeing(run))["refused"]
    assert (found.estimate.value, found.estimate.missing, found.estimate.answers) == (None, NOTHING, 0)


def with_refusals(run: Run) -> Run:
    """Every second question has no answer, and the adapter refuses those."""
    odd = {one.id for one in run.questions[::2]}
    questions = tuple(one.model_copy(update={"answerable": one.id not in odd}) for one in run.questions)
    answers = tuple(refusing(one) if one.question in odd else one for one in run.answers)
    return replace(run, questions=questions, answers=answers)


def refusing(answer: Answer) -> Answer:
    return answer.model_copy(update={"scores": answer.scores | {"refused": float(answer.cell.adapter != "off")}})


def refuses(answer: Answer, label: str, turned: str) -> list[Judgement]:
    first, second = both(answer, verdict(answer))
    update = ({"verdicts": {**first.verdicts, "refuses": one}} for one in (label, turned))
    return [one.model_copy(update=changed) for one, changed in zip((first, second), update, strict=True)]


def test_a_refusal_that_changes_with_the_order_is_in_the_table_and_not_in_kappa(run: Run) -> None:
    asked = with_refusals(run)
    steady = asked.questions[0].id
    made: list[Judgement] = []
    for one in asked.answers:
        label = "yes" if one.scores["refused"] else "no"
        made += refuses(one, label, "no" if one.question == steady else label)
    found = by_metric(judged_by(asked, made))["refused"]
    assert counts(found) == {"yes": (0, 56), "no": (60, 0), UNSTEADY: (0, 4)}
    assert (found.estimate.value, found.estimate.answers) == pytest.approx((1.0, 116))


def test_answers_without_a_verdict_are_counted_by_reason(run: Run) -> None:
    made = [one for answer in run.answers[:10] for one in both(answer, "right", None)]
    made += list(both(run.answers[10], "right"))[:1]
    found = by_metric(judged_by(run, made))["right"]
    assert found.unjudged == {"the reply is not JSON": 10, "one of the two orders has no judgement yet": 1}


def test_the_judge_is_held_against_itself(run: Run) -> None:
    made = [one for at, answer in enumerate(run.answers) for one in both(answer, *TURNS[at % 4])]
    found = steadiness(opinions(run, made))
    assert found.same == 0.75
    # Shares 1/2 each in the first order, 3/4 and 1/4 in the second: 1/2 by chance.
    assert found.estimate.value == pytest.approx((0.75 - 0.5) / 0.5)
    assert steadiness([]).same is None


TURNS = (("right", "right"), ("wrong", "wrong"), ("wrong", "right"), ("right", "right"))


def test_a_judge_that_likes_length_is_seen(run: Run) -> None:
    answers = tuple(
        one.model_copy(update={"scores": one.scores | {"words": float(at)}}) for at, one in enumerate(run.answers)
    )
    made = [one for at, answer in enumerate(answers) for one in both(answer, "right" if at > 120 else "wrong")]
    long = replace(run, answers=answers)
    found = length(opinions(long, made))
    assert found.judged.value is not None and found.judged.value > 0.6
    assert found.scored.value is not None and abs(found.scored.value) < 0.6
