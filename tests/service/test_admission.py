"""Places for answers: taken with the first event, given back whatever ends the answer."""

from typing import cast

import pytest

from service.admission import Admission
from service.answer import Chatbot, Question
from service.errors import Overloaded
from service.metrics import Metrics
from service.plan import Plan
from service.switches import Overrides
from tests.service.scripted import GOOD_ANSWER, ScriptedChatbot

QUESTION = Question("When can I visit?")


def admitted() -> tuple[Admission, Chatbot, Plan]:
    chatbot = ScriptedChatbot()
    return Admission(1, Metrics()), cast(Chatbot, chatbot), chatbot.plan(Overrides(), None)


async def test_an_answer_that_nobody_reads_takes_no_place() -> None:
    admission, chatbot, plan = admitted()
    admission.answer(chatbot, QUESTION, plan)
    assert [event async for event in admission.answer(chatbot, QUESTION, plan)] == list(GOOD_ANSWER)


async def test_one_more_than_there_are_places_is_refused_until_one_is_free() -> None:
    admission, chatbot, plan = admitted()
    first, second = (admission.answer(chatbot, QUESTION, plan) for _ in range(2))
    await anext(first)
    with pytest.raises(Overloaded, match="All 1 places"):
        await anext(second)
    await first.aclose()
    assert await anext(admission.answer(chatbot, QUESTION, plan)) == GOOD_ANSWER[0]
