"""Judgements of a planted run, without asking anybody: what a judge would have said."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from service.evaluation.judge.aspects import ORDERS, Order
from service.evaluation.judge.judgements import Judgement, answer_sha256
from service.evaluation.store import Answer, Run

SHA = "e" * 64


def judgement(answer: Answer, order: Order, right: str | None, **changes: Any) -> Judgement:
    """`right` None is a reply that could not be used."""
    verdicts = {"refuses": "no", "right": right, "supported": "most sentences"}
    values: dict[str, Any] = {
        "cell": answer.cell,
        "question": answer.question,
        "answer_sha256": answer_sha256(answer.text),
        "order": order,
        "model": "judge-1",
        "answered_as": "judge-1-0417",
        "endpoint": "http://127.0.0.1:1/v1/",
        "prompt": "judge@1",
        "prompt_sha256": SHA,
        "verdicts": verdicts if right else {},
        "missing": {} if right else dict.fromkeys(verdicts, "the reply is not JSON"),
        "failed": None if right else "the reply is not JSON",
        "reply": "{}",
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "at": "2026-11-26T00:00:00+00:00",
    }
    return Judgement.model_validate(values | changes)


def both(answer: Answer, right: str | None, turned: str | None = "", **changes: Any) -> Iterator[Judgement]:
    """In both orders; `turned` is the verdict with the choices turned round, else the same."""
    for order, label in zip(ORDERS, (right, right if turned == "" else turned), strict=True):
        yield judgement(answer, order, label, **changes)


def agreeing(run: Run) -> Run:
    """A judge that sees it as the metric does."""
    return judged_by(run, [one for answer in run.answers for one in both(answer, verdict(answer))])


def verdict(answer: Answer) -> str:
    return "right" if answer.scores["right"] else "wrong"


def judged_by(run: Run, judgements: Sequence[Judgement]) -> Run:
    return replace(run, judgements=tuple(judgements))
