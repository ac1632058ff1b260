"""Every question in every combination of layers, through the answers that users get."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing

from adapters.engines.protocol import PromptTooLong
from adapters.prompt import Turn
from service.answer import Chatbot, Question
from service.evaluation.design import Cell, Design, Style, cells_of
from service.evaluation.energy import EnergyMeter
from service.evaluation.house_style import HouseStyle
from service.evaluation.questions import PackQuestion
from service.evaluation.score import nothing, score, seen_in
from service.evaluation.store import Answer
from service.plan import Plan
from service.transcript import gathered

Done = Collection[tuple[Cell, str]]


async def answers(
    chatbot: Chatbot,
    design: Design,
    questions: Sequence[PackQuestion],
    done: Done,
    house: HouseStyle | None = None,
) -> AsyncGenerator[Answer]:
    """The answers that are not done yet, in the same order every time: cells outside, questions inside.

    Raises SwitchRefused, AdapterRefused, RetrievalError and EngineError; what came before is good.
    """
    for cell in cells_of(design.factors):
        plan = chatbot.plan(cell.overrides(design.seed), None)
        left = [question for question in questions if (cell, question.id) not in done]
        async with aclosing(in_order(chatbot, design, cell, plan, left, house)) as answered:
            async for one in answered:
                yield one


async def in_order(
    chatbot: Chatbot,
    design: Design,
    cell: Cell,
    plan: Plan,
    questions: Sequence[PackQuestion],
    house: HouseStyle | None,
) -> AsyncGenerator[Answer]:
    """So many at a time, told in the order of the questions; closing it stops them all."""
    places = asyncio.Semaphore(design.concurrency)

    async def placed(question: PackQuestion) -> Answer:
        async with places:
            return await answer(chatbot, cell, plan, question, design.style, house)

    meter = EnergyMeter.of()
    tasks = [asyncio.create_task(placed(question)) for question in questions]
    try:
        for task in tasks:
            yield with_energy(await task, meter.joules())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def with_energy(answer: Answer, joules: float | None) -> Answer:
    """What was used since the answer before it: with several at a time, only their mean says something."""
    if joules is None:
        return answer
    missing = {name: reason for name, reason in answer.missing.items() if name != "joules"}
    return answer.model_copy(update={"scores": {**answer.scores, "joules": joules}, "missing": missing})


async def answer(
    chatbot: Chatbot, cell: Cell, plan: Plan, question: PackQuestion, style: Style, house: HouseStyle | None
) -> Answer:
    """A prompt that the model has no room for is this question's failure; any other error ends the run."""
    history = tuple(Turn(turn.question, turn.answer) for turn in question.history)
    try:
        transcript = await gathered(chatbot.answer(Question(question.question, history, keep=False), plan))
    except PromptTooLong as error:
        return failed(cell, question, str(error))
    seen = seen_in(question, transcript, chatbot.defaults.no_answer)
    scores = score(seen, style, house)
    return Answer(
        cell=cell,
        question=question.id,
        status=seen.status,
        failed=None,
        text=seen.answer,
        cited=seen.cited,
        scores=dict(scores.values),
        missing=dict(scores.missing),
        manifest=seen.manifest.as_dict(),
    )


def failed(cell: Cell, question: PackQuestion, reason: str) -> Answer:
    scores = nothing(question, reason)
    return Answer(
        cell=cell,
        question=question.id,
        status="failed",
        failed=reason,
        text="",
        cited=(),
        scores=dict(scores.values),
        missing=dict(scores.missing),
        manifest=None,
    )
