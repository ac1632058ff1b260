"""The part of a run's report that a judge has: what it was asked, how far it agrees, and how far to trust it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from service.evaluation.grid import Grid
from service.evaluation.judge.compared import (
    Compared,
    Length,
    Pair,
    Steadiness,
    compared,
    length,
    pairs,
    steadiness,
)
from service.evaluation.judge.effects import LayerUnderJudge, layers_under_judge
from service.evaluation.judge.judgements import Judgement
from service.evaluation.judge.opinions import Opinion, judges, opinions
from service.evaluation.judge.trust import trust
from service.evaluation.store import Run

MOST = 5


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An answer that the metric and the judge see most differently; `combination` are the layers that made it."""

    question: str
    gold: str
    combination: str
    answer: str
    scored: float
    judged: float
    verdicts: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Of all replies that say how many they took."""

    prompt: int
    completion: int
    replies: int


@dataclass(frozen=True, slots=True)
class JudgeSection:
    """One judge: a model under one prompt. `failed` counts, by reason, replies that could not be used."""

    model: str
    answered_as: tuple[str, ...]
    endpoints: tuple[str, ...]
    prompt: str
    prompt_sha256: str
    answers: int
    replies: int
    failed: Mapping[str, int]
    tokens: Tokens
    compared: tuple[Compared, ...]
    steadiness: Steadiness
    length: Length
    layers: tuple[LayerUnderJudge, ...]
    disagreements: tuple[Disagreement, ...]
    trust: str


def judge_sections(run: Run, grid: Grid) -> Iterator[JudgeSection]:
    """One for each judge; none where nobody asked one."""
    for judge in judges(run):
        own = [one for one in run.judgements if one.judge == judge]
        yield section(run, grid, own, opinions(run, own))


def section(run: Run, grid: Grid, judgements: Sequence[Judgement], found: Sequence[Opinion]) -> JudgeSection:
    every, steady = tuple(compared(found)), steadiness(found)
    failed = Counter(one.failed for one in judgements if one.failed)
    return JudgeSection(
        model=judgements[0].model,
        answered_as=tuple(dict.fromkeys(one.answered_as for one in judgements if one.answered_as)),
        endpoints=tuple(dict.fromkeys(one.endpoint for one in judgements)),
        prompt=judgements[0].prompt,
        prompt_sha256=judgements[0].prompt_sha256,
        answers=len(found),
        replies=len(judgements),
        failed=dict(failed),
        tokens=tokens(judgements),
        compared=every,
        steadiness=steady,
        length=length(found),
        layers=tuple(layers_under_judge(run.design, grid, found)),
        disagreements=tuple(disagreements(found)),
        trust=trust(every[0].estimate, steady.estimate, failed.total() / len(judgements)),
    )


def tokens(judgements: Sequence[Judgement]) -> Tokens:
    counted = [one for one in judgements if one.prompt_tokens is not None]
    prompt, completion = (
        sum(getattr(one, name) or 0 for one in counted) for name in ("prompt_tokens", "completion_tokens")
    )
    return Tokens(prompt, completion, len(counted))


def disagreements(found: Sequence[Opinion]) -> Iterator[Disagreement]:
    """The largest differences on what is right, one of each question; of equal ones the first that was asked."""
    apart = sorted(pairs(found, "right"), key=lambda pair: -abs(pair.judged - pair.scored))
    first: dict[str, Pair] = {}
    for pair in apart:
        if pair.judged != pair.scored:
            first.setdefault(pair.opinion.question.id, pair)
    for pair in list(first.values())[:MOST]:
        yield disagreement(pair)


def disagreement(pair: Pair) -> Disagreement:
    labels = pair.opinion.labels("right")
    return Disagreement(
        question=pair.opinion.question.question,
        gold=pair.opinion.question.answer,
        combination=pair.opinion.answer.cell.label,
        answer=pair.opinion.answer.text,
        scored=pair.scored,
        judged=pair.judged,
        verdicts=(labels[0], labels[1]),
    )
