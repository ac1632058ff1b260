"""Which answers of a run a judge is asked about, and what it is shown of each."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ingest.documents import PUBLIC
from ingest.library import Library
from service.evaluation.design import cells_of
from service.evaluation.judge.aspects import ORDERS, Aspect, Order
from service.evaluation.judge.judgements import Key, answer_sha256
from service.evaluation.judge.prompt import Material
from service.evaluation.questions import EMERGENCY, PackQuestion
from service.evaluation.score import NOT_FOR_IT, RETRIEVAL_OFF
from service.evaluation.store import Answer, Run

GONE = "a passage that was shown is no longer in the library as it was, or no longer public"
NO_STATEMENT = "it refuses, which no source could support"
NOTHING_SHOWN = "no passage was shown"

Judged = tuple[PackQuestion, Answer]


@dataclass(frozen=True, slots=True)
class Case:
    """One answer, asked about once. Each aspect is `asked`, or `missing` has the reason."""

    answer: Answer
    order: Order
    material: Material
    asked: tuple[Aspect, ...]
    missing: Mapping[Aspect, str]

    @property
    def key(self) -> Key:
        return self.answer.cell, self.answer.question, self.order, answer_sha256(self.answer.text)


def judgeable(run: Run) -> Iterator[Judged]:
    """Question by question, so that a part of them has as many answers of each combination.

    Without emergencies, which get a fixed text, and without what is no text.
    """
    found = {(answer.cell, answer.question): answer for answer in run.answers}
    cells = cells_of(run.design.factors)
    for question in run.questions:
        if EMERGENCY not in question.tags:
            for cell in cells:
                answer = found.get((cell, question.id))
                if answer is not None and answer.text.strip():
                    yield question, answer


def cases(judged: Collection[Judged], library: Library, done: Collection[Key]) -> list[Case]:
    """What is left to ask, each answer in both orders."""
    left = (
        (question, answer, order)
        for question, answer in judged
        for order in ORDERS
        if (answer.cell, answer.question, order, answer_sha256(answer.text)) not in done
    )
    return [case_of(question, answer, order, library) for question, answer, order in left]


def case_of(question: PackQuestion, answer: Answer, order: Order, library: Library) -> Case:
    sources = shown(answer, library)
    missing: dict[Aspect, str] = {}
    if not (question.answerable and question.answer):
        missing["right"] = NOT_FOR_IT
    if isinstance(sources, str):
        missing["supported"] = sources
    every: tuple[Aspect, ...] = ("refuses", "right", "supported")
    return Case(
        answer=answer,
        order=order,
        material=Material(
            question=question.question,
            history=question.history,
            gold=question.answer,
            sources=() if isinstance(sources, str) else sources,
            answer=answer.text,
        ),
        asked=tuple(aspect for aspect in every if aspect not in missing),
        missing=missing,
    )


def shown(answer: Answer, library: Library) -> tuple[str, ...] | str:
    """The passages as the model saw them; or why they cannot be shown to a judge."""
    manifest = answer.manifest or {}
    if not manifest or manifest["acted"]["retrieval"] is None:
        return RETRIEVAL_OFF
    if not manifest["passages"]:
        return NOTHING_SHOWN
    if answer.status != "answered":
        return NO_STATEMENT
    return passages_of(manifest, library)


def passages_of(manifest: Mapping[str, Any], library: Library) -> tuple[str, ...] | str:
    """Only what everybody may read: a label that was put on a document since keeps it on this machine."""
    name, fingerprint = manifest["acted"]["retrieval"], manifest["collection_fingerprint"]
    ids = [passage["chunk_id"] for passage in manifest["passages"]]
    same = (one for one in library.collections(name) if one.fingerprint == fingerprint)
    collection = next(same, None)
    found = library.passages(collection.id, ids, {PUBLIC}) if collection else {}
    if len(found) < len(set(ids)):
        return GONE
    numbered = zip(manifest["passages"], ids, strict=True)
    return tuple(f"[{passage['number']}] {found[one].place}\n{found[one].text}" for passage, one in numbered)
