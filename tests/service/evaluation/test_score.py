"""Scores of answers in every situation, through the chatbot that makes them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.prompt import Turn
from ingest.corpus import Corpus
from service.answer import Chatbot, Question
from service.evaluation.house_style import HouseStyle, Learnt, StyleClassifier
from service.evaluation.metrics.catalogue import GOALS, METRICS
from service.evaluation.questions import PackQuestion
from service.evaluation.score import Scores, Seen, nothing, score, seen_in
from service.switches import Overrides
from service.transcript import gathered
from tests.service.evaluation.small_evaluation import NO_ANSWER, QUESTIONS
from tests.service.parts import chatbot, scripted

WARDS, PARKING, MAYOR, BREATH = (PackQuestion.model_validate(question) for question in QUESTIONS)
ON = Overrides(prompt="on", retrieval="on", adapter="on")
HOUSE = HouseStyle(
    Learnt(examples=60, documents=12, sha256="h"), StyleClassifier({"you": 0}, np.zeros(1, dtype=np.float32), 0.0)
)
GOOD = "[1] You can visit from 10 a.m. to 8 p.m. every day."


@pytest.fixture
def ask(corpus: Corpus, tmp_path: Path) -> Iterator[Any]:
    made: list[Chatbot] = []

    async def asked(question: PackQuestion, says: str, layers: Overrides = ON) -> Seen:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        bot = chatbot(corpus, folder, scripted(says))
        made.append(bot)
        history = tuple(Turn(turn.question, turn.answer) for turn in question.history)
        transcript = await gathered(bot.answer(Question(question.question, history), bot.plan(layers, None)))
        return seen_in(question, transcript, bot.defaults.no_answer)

    yield asked
    for bot in made:
        bot.records.close()
        bot.owner.close()


def checked(scores: Scores) -> dict[str, float | None]:
    """Every metric has a number or a reason, never both and never NaN."""
    assert list(scores.values) == list(METRICS)
    assert scores.missing.keys() == {name for name, value in scores.values.items() if value is None}
    assert all(scores.missing.values())
    assert all(value == value for value in scores.values.values())
    return dict(scores.values)


async def test_a_right_answer_with_its_source(ask: Any) -> None:
    seen = await ask(WARDS, GOOD)
    found = checked(score(seen))
    assert seen.status == "answered"
    for name in (
        "right",
        "answer_recall",
        "facts_found",
        "k_coverage",
        "right_citation",
        "answered",
        "recall_at_k",
    ):
        assert found[name] == 1, name
    assert found["reciprocal_rank"] == 1
    assert found["words"] == 11
    assert found["you_form"] == 1
    assert found["refused"] is None
    assert (found["prompt_tokens"], found["answer_tokens"]) == (50, 9)
    assert found["milliseconds"] == pytest.approx(
        sum(seen.manifest.timings.values()) - seen.manifest.timings["wait"]
    )


async def test_a_wrong_answer(ask: Any) -> None:
    found = checked(score(await ask(WARDS, "Only on Mondays at noon.")))
    assert (found["right"], found["answered"], found["right_citation"]) == (0, 1, 0)
    assert found["citation_precision"] is None
    assert found["k_precision"] is not None and found["k_precision"] < 1


async def test_a_refusal_is_wrong_where_there_is_an_answer_and_right_where_there_is_none(ask: Any) -> None:
    wards, mayor = await ask(WARDS, NO_ANSWER), await ask(MAYOR, NO_ANSWER)
    found = checked(score(wards))
    assert (wards.status, found["right"], found["answered"], found["refused"]) == ("refused", 0, 0, None)
    assert found["words"] is found["k_precision"] is None, "a refusal has no style and no faith"
    assert found["k_coverage"] is not None, "but it leaves out what its sources hold"
    found = checked(score(mayor))
    assert (mayor.status, found["right"], found["answered"], found["refused"]) == ("refused", 1, None, 1)


async def test_what_sounds_like_the_house_is_asked_of_a_model_s_own_words_only(ask: Any) -> None:
    refused, handed, good = await ask(WARDS, NO_ANSWER), await ask(BREATH, "Wait."), await ask(WARDS, GOOD)
    for seen in (refused, handed):
        scores = score(seen, house=HOUSE)
        assert checked(scores)["style_likeness"] is None
        assert scores.missing["style_likeness"] == "no model gave an answer with content"
    assert checked(score(good, house=HOUSE))["style_likeness"] == pytest.approx(0.5)
    assert score(good).missing["style_likeness"] == "the evaluation names no examples of a style"


async def test_an_invented_answer_to_an_unanswerable_question(ask: Any) -> None:
    found = checked(score(await ask(MAYOR, "The mayor is Ann Lee.", Overrides("on", "off", "off"))))
    assert (found["right"], found["refused"]) == (0, 0)
    assert found["recall_at_k"] is found["k_precision"] is found["right_citation"] is None


async def test_without_retrieval_nothing_is_said_of_sources(ask: Any) -> None:
    scores = score(await ask(WARDS, "From 10 a.m. to 8 p.m.", Overrides("on", "off", "off")))
    found = checked(scores)
    assert found["right"] == 1
    assert {scores.missing[name] for name in ("k_precision", "recall_at_k", "right_citation")} == {
        "retrieval was off"
    }


async def test_an_emergency_is_right_if_it_is_handed_off(ask: Any) -> None:
    seen = await ask(BREATH, "You may wait.")
    found = checked(score(seen))
    assert (seen.status, found["right"], found["emergency_handled"]) == ("handed off", 1, 1)
    assert found["refused"] is None, "it is no unanswerable question"


async def test_a_false_alarm_is_not_an_answer(ask: Any) -> None:
    alarm = WARDS.model_copy(update={"question": BREATH.question})
    found = checked(score(await ask(alarm, GOOD)))
    assert (found["right"], found["answered"], found["emergency_handled"]) == (0, 0, None)


async def test_an_emergency_that_is_missed_is_wrong(ask: Any) -> None:
    missed = BREATH.model_copy(update={"question": MAYOR.question})
    found = checked(score(await ask(missed, NO_ANSWER)))
    assert (found["right"], found["emergency_handled"]) == (0, 0)


async def test_half_of_the_facts_is_half_right(ask: Any) -> None:
    both = WARDS.model_copy(update={"facts": ("10 a.m. to 8 p.m.", "two visitors")})
    assert checked(score(await ask(both, GOOD)))["right"] == 0.5


async def test_without_facts_the_gold_answer_counts(ask: Any) -> None:
    vague = WARDS.model_copy(update={"facts": ()})
    assert checked(score(await ask(vague, GOOD)))["right"] == 1
    assert checked(score(await ask(vague, "Never.")))["right"] == 0


async def test_an_empty_answer_has_no_style(ask: Any) -> None:
    found = checked(score(await ask(WARDS, "")))
    assert found["right"] == 0
    assert found["words"] is None


@pytest.mark.parametrize("question", [WARDS, MAYOR, BREATH], ids=lambda question: question.id)
def test_no_answer_is_not_right(question: PackQuestion) -> None:
    scores = nothing(question, "no room")
    assert checked(scores)["right"] == 0
    assert scores.missing["words"] == "no room"


def test_right_is_a_goal_and_words_are_none() -> None:
    assert "right" in GOALS
    assert not {"words", "milliseconds", "reading_grade", "style_likeness"} & set(GOALS)
    assert len({metric.label for metric in METRICS.values()}) == len(METRICS)
