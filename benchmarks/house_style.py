"""What prompt and adapter bring on held-back documents, with the product's own retrieval; one printed table.

Another base or adapter, or more passages, by the environment as for the service.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from adapters.dataset.entries import refuses
from adapters.prompt import Turn
from adapters.recipe import read_recipe
from configs.load import HOSPITAL, load_settings
from ingest.sources import discover
from ingest.sync import sync
from service.answer import Chatbot, Question
from service.build import build
from service.evaluation.metrics.citations import right_citation
from service.evaluation.metrics.text import answer_recall, facts_found, k_precision
from service.evaluation.questions import PackQuestion, read_questions
from service.switches import Overrides
from service.transcript import Transcript, gathered

# Questions that were written after the recipe and the search were chosen with the help of the first set.
SECOND = "set-2"
ARMS = {
    "base": Overrides(prompt="off", retrieval="on", adapter="off"),
    "base + prompt": Overrides(prompt="on", retrieval="on", adapter="off"),
    "base + prompt + adapter": Overrides(prompt="on", retrieval="on", adapter="on"),
}


@dataclass(frozen=True)
class Scored:
    question: PackQuestion
    answer: str
    sources: tuple[str, ...]
    refused: bool
    recall: float
    facts: float
    k_precision: float | None
    citation: bool
    retrieved: bool


async def main(arguments: argparse.Namespace) -> None:
    held_back = set(read_recipe(HOSPITAL.parent / "adapters" / "house-style.yaml").data.held_back)
    questions = [
        question
        for question in read_questions(HOSPITAL.parent / "questions.jsonl")
        if (not question.answerable or held_back & set(question.documents))
        and arguments.set in (None, 2 if SECOND in question.tags else 1)
    ][:: arguments.every]
    with TemporaryDirectory() as temporary:
        folder = {"TRIPTYCH__DATA__FOLDER": str(arguments.folder or temporary)}
        settings = load_settings(None, os.environ | folder).settings
        async with build(settings) as chatbot:
            for _ in sync(chatbot.corpus, discover(settings.documents).files):
                pass
            arms = {name: await scored(chatbot, questions, ARMS[name]) for name in arguments.arms}
    print(table(arms))
    if arguments.out:
        arguments.out.write_text(
            json.dumps(
                {name: [vars(s) | {"question": s.question.id} for s in rows] for name, rows in arms.items()},
                indent=1,
            )
        )


async def scored(chatbot: Chatbot, questions: Sequence[PackQuestion], arm: Overrides) -> list[Scored]:
    """Eight questions at a time, in order."""
    places = asyncio.Semaphore(8)

    async def one(question: PackQuestion) -> Scored:
        async with places:
            asked = Question(question.question, tuple(Turn(t.question, t.answer) for t in question.history))
            return score(question, await gathered(chatbot.answer(asked, chatbot.plan(arm, None))), chatbot)

    return await asyncio.gather(*map(one, questions))


def score(question: PackQuestion, transcript: Transcript, chatbot: Chatbot) -> Scored:
    answer = transcript.done.text
    shown = [f"{passage.place} {passage.text}" for passage in transcript.passages]
    cited = [source.source for source in transcript.sources() if source.cited]
    return Scored(
        question=question,
        answer=answer,
        sources=tuple(passage.place for passage in transcript.passages),
        refused=refuses(answer, chatbot.defaults.no_answer),
        recall=answer_recall(answer, question.answer),
        facts=facts_found(answer, question.facts),
        k_precision=k_precision(answer, shown),
        citation=right_citation(cited, question.documents),
        retrieved=any(question.section in passage.headings for passage in transcript.passages),
    )


def table(arms: dict[str, list[Scored]]) -> str:
    """Recall, facts and citation over answerable questions; K-precision over what was not refused."""
    head = (
        "layers, retrieval on",
        "n",
        "recall",
        "facts",
        "K-prec.",
        "citation",
        "answered",
        "refused right",
        "found",
    )
    rows: list[tuple[str, ...]] = [head]
    for name, scores in arms.items():
        known = [s for s in scores if s.question.answerable]
        unknown = [s for s in scores if not s.question.answerable]
        faithful = [s.k_precision for s in scores if not s.refused and s.k_precision is not None]
        figures = (
            fmean(s.recall for s in known),
            fmean(s.facts for s in known),
            fmean(faithful) if faithful else float("nan"),
            fmean(s.citation for s in known),
            fmean(not s.refused for s in known),
            fmean(s.refused for s in unknown) if unknown else float("nan"),
            fmean(s.retrieved for s in known),
        )
        rows.append((name, f"{len(known)}+{len(unknown)}", *(f"{figure:.3f}" for figure in figures)))
    return "\n".join(" | ".join(f"{cell:>8}" for cell in row) for row in rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every n-th question")
    parser.add_argument("--set", type=int, choices=(1, 2), help="of the questions; both without it")
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--folder", type=Path, help="the data folder, where own adapters are; it keeps the library")
    parser.add_argument("--out", type=Path, help="write all answers and scores as JSON")
    asyncio.run(main(parser.parse_args()))
