"""Many answers, several at once, over a real socket."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from adapters.engines.protocol import EngineError
from ingest.corpus import Corpus
from service.evaluation.judge.aspects import NOT_JSON
from service.evaluation.judge.cases import Case, cases, judgeable
from service.evaluation.judge.endpoint import judge_of
from service.evaluation.judge.judgements import Judgement
from service.evaluation.judge.judging import TOO_LONG, Asking, judgements
from service.evaluation.judge.prompt import prompt_sha256, template
from service.evaluation.score import RETRIEVAL_OFF
from tests.service.evaluation.judge.judge_server import JudgeServer, judging
from tests.service.evaluation.small_evaluation import planted


@pytest.fixture
def asked(corpus: Corpus, tmp_path: Path) -> list[Case]:
    return cases(list(judgeable(planted(tmp_path, {"adapter": 0.4}, questions=2))), corpus.library, set())


async def said(server: JudgeServer, asked: list[Case], at_once: int = 4) -> list[Judgement]:
    asking = Asking(judge_of(server.url, "m", None), template())
    async with asking.judge.client, aclosing(judgements(asking, asked, at_once)) as new:
        return [one async for one in new]


async def test_every_case_gets_one_judgement(asked: list[Case]) -> None:
    with judging(chosen={"Wrong": {"right": "wrong", "refuses": "no"}}, answers_as="m-1") as server:
        made = await said(server, asked)
    assert {one.key for one in made} == {one.key for one in asked} and len(made) == len(asked) == 32
    one = made[0]
    assert (one.model, one.answered_as, one.endpoint, one.prompt) == ("m", "m-1", f"{server.url}/", "judge@1")
    assert one.prompt_sha256 == prompt_sha256(template())
    assert (one.prompt_tokens, one.completion_tokens, one.failed) == (100, 10, None)
    wrong = {case.key for case in asked if case.answer.text.startswith("Wrong")}
    assert {judged.key for judged in made if judged.verdicts["right"] == "wrong"} >= wrong
    assert all(judged.missing == {"supported": RETRIEVAL_OFF} for judged in made)


async def test_a_bad_reply_is_missing_with_its_reason_and_the_next_is_asked(asked: list[Case]) -> None:
    with judging(replies=["It is right, I think.", '{"refuses": "no", "right": "right"}']) as server:
        made = await said(server, asked[:4], at_once=1)
    assert [one.failed for one in made].count(NOT_JSON) == 1
    bad = next(one for one in made if one.failed)
    assert (bad.verdicts, bad.reply) == ({}, "It is right, I think.")
    assert bad.missing == {"refuses": NOT_JSON, "right": NOT_JSON, "supported": RETRIEVAL_OFF}


async def test_what_is_too_long_is_missing_and_not_the_end(asked: list[Case]) -> None:
    with judging(status=400, error={"code": "context_length_exceeded"}) as server:
        made = await said(server, asked[:2])
    assert [one.failed for one in made] == [TOO_LONG, TOO_LONG]


async def test_so_many_at_a_time_and_no_more(asked: list[Case]) -> None:
    with judging() as server:
        await said(server, asked, at_once=3)
    assert 1 <= server.most_at_once <= 3


async def test_an_endpoint_that_breaks_ends_it_after_what_it_said(asked: list[Case]) -> None:
    made = []
    with judging(most=5) as server:
        asking = Asking(judge_of(server.url, "m", None), template())
        with pytest.raises(EngineError, match="broken"):
            async with asking.judge.client, aclosing(judgements(asking, asked, 1)) as new:
                async for one in new:
                    made.append(one)
    assert len(made) == 5


async def test_closing_it_stops_all(asked: list[Case]) -> None:
    with judging() as server:
        asking = Asking(judge_of(server.url, "m", None), template())
        async with asking.judge.client, aclosing(judgements(asking, asked, 2)) as new:
            await anext(new)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
