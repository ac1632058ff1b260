"""A judge asked about many answers, several at once; each reply becomes a judgement, good or not."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from adapters.engines.protocol import PromptTooLong
from adapters.prompt import PromptTemplate
from ingest.records import now
from service.evaluation.judge.aspects import Aspect, read_reply, reply_schema
from service.evaluation.judge.cases import Case
from service.evaluation.judge.endpoint import Judge, Reply
from service.evaluation.judge.judgements import Judgement, answer_sha256
from service.evaluation.judge.prompt import prompt_sha256, rendered

TOO_LONG = "the answer with its passages is too long for the judge"
REPLY_KEPT = 500


@dataclass(frozen=True, slots=True)
class Asking:
    judge: Judge
    template: PromptTemplate

    @property
    def made_by(self) -> tuple[str, str]:
        """As `Judgement.judge` tells it: judgements of another model or prompt are another judge's."""
        return self.judge.model, prompt_sha256(self.template)

    async def judgement(self, case: Case) -> Judgement:
        """What is too long is this answer's own trouble. Raises EngineError for all others."""
        message = rendered(self.template, case.material, case.asked, case.order)
        try:
            reply = await self.judge.reply(message, reply_schema(case.asked, case.order))
        except PromptTooLong:
            reply = Reply("", TOO_LONG, None, None, None)
        return self.judged(case, reply)

    def judged(self, case: Case, reply: Reply) -> Judgement:
        read = reply.failed or read_reply(reply.text, case.asked)
        verdicts: dict[Aspect, str] = {} if isinstance(read, str) else read
        failed = read if isinstance(read, str) else None
        unread: dict[Aspect, str] = dict.fromkeys(case.asked, failed) if failed else {}
        return Judgement(
            cell=case.answer.cell,
            question=case.answer.question,
            answer_sha256=answer_sha256(case.answer.text),
            order=case.order,
            model=self.judge.model,
            answered_as=reply.model,
            endpoint=self.judge.url,
            prompt=self.template.label,
            prompt_sha256=prompt_sha256(self.template),
            verdicts=verdicts,
            missing={**case.missing, **unread},
            failed=failed,
            reply=reply.text[:REPLY_KEPT],
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            at=now(),
        )


async def judgements(asking: Asking, cases: Sequence[Case], at_once: int) -> AsyncGenerator[Judgement]:
    """In the order in which they are done, so that a kill loses only what is on its way; closing it stops all.

    Raises EngineError; what came before is good.
    """
    places = asyncio.Semaphore(at_once)

    async def placed(case: Case) -> Judgement:
        async with places:
            return await asking.judgement(case)

    tasks = [asyncio.create_task(placed(case)) for case in cases]
    try:
        for done in asyncio.as_completed(tasks):
            yield await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
