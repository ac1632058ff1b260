"""A small evaluation: its files, a chatbot whose answers depend on its layers, and runs with planted effects."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import yaml
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from adapters.engines.protocol import EngineError, Generation, PromptTooLong
from service.evaluation.design import Cell, Design, cells_of, read_design
from service.evaluation.metrics.catalogue import METRICS
from service.evaluation.origin import declared
from service.evaluation.questions import PackQuestion
from service.evaluation.selection import selected
from service.evaluation.store import ANSWERS, Answer, Run, opened_run, read_run
from tests.service.parts import ScriptedEngine, last_word

NO_ANSWER = "I can't find this in our documents."
QUESTIONS: tuple[dict[str, Any], ...] = (
    {
        "id": "wards",
        "question": "When can I visit the general wards?",
        "documents": ["visiting.md"],
        "section": "General wards",
        "answer": "You can visit from 10 a.m. to 8 p.m. every day.",
        "facts": ["10 a.m. to 8 p.m."],
        "answerable": True,
        "tags": ["visiting"],
    },
    {
        "id": "parking",
        "question": "How much is parking in the North Garage?",
        "documents": ["parking.md"],
        "section": "North Garage",
        "answer": "Parking costs $2 an hour.",
        "facts": ["$2 an hour"],
        "answerable": True,
        "tags": ["parking"],
        "history": [{"question": "Where can I park?", "answer": "In the North Garage."}],
    },
    {
        "id": "mayor",
        "question": "Who is the mayor of the town?",
        "documents": [],
        "section": None,
        "answer": "",
        "facts": [],
        "answerable": False,
        "tags": [],
    },
    {
        "id": "breath",
        "question": "my husband is not breathing",
        "documents": [],
        "section": None,
        "answer": "",
        "facts": [],
        "answerable": False,
        "tags": ["emergency"],
    },
)
VALUES: dict[str, Any] = {
    "name": "small",
    "questions": {"file": "questions.jsonl"},
    "factors": {"prompt": ["off", "on"], "retrieval": ["off", "on"], "adapter": ["off", "on"]},
    "goal": {
        "metric": "right",
        "smallest_useful": {"prompt": 0.05, "retrieval": 0.05, "adapter": 0.05},
        "margin": 0.03,
    },
    "guardrails": [{"metric": "k_precision", "margin": 0.05, "layers": ["prompt", "adapter"]}],
    "types": {"visiting": ["visiting"]},
    "seed": 7,
    "concurrency": 2,
}


class LayeredEngine(ScriptedEngine):
    """With the adapter it copies a true sentence, else it says what messages and seed make it say.

    After `most` answers it breaks; `refused` in a question is too much for it.
    """

    kind: ClassVar[str] = "layered"
    most: int = 10_000
    refused: str = "very long"

    async def _streamed(
        self, messages: Sequence[BaseMessage], stop: Sequence[str], generation: Generation
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.seen.append((messages, generation))
        if len(self.seen) > self.most:
            raise EngineError("the engine died")
        asked = str(messages[-1].content)
        if self.refused in asked:
            raise PromptTooLong("no room for it")
        noise = hashlib.sha256(f"{messages}{generation.seed}".encode()).hexdigest()
        text = "[1] From 10 a.m. to 8 p.m. every day." if generation.adapter else f"You may try {noise}."
        yield ChatGenerationChunk(message=AIMessageChunk(content=text))
        yield ChatGenerationChunk(message=last_word(self.kind, self.base, generation.adapter))


def written(folder: Path, asked: tuple[dict[str, Any], ...] = QUESTIONS, **changes: Any) -> Path:
    """The evaluation's files in the folder; the YAML's path."""
    lines = (json.dumps(question) for question in asked)
    (folder / "questions.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    path = folder / "evaluation.yaml"
    path.write_text(yaml.safe_dump({**VALUES, **changes}), encoding="utf-8")
    return path


def many(count: int) -> tuple[dict[str, Any], ...]:
    """Answerable questions, each about a document of its own."""
    return tuple(
        {**QUESTIONS[0], "id": f"q{number:03}", "question": f"Question {number}?", "documents": [f"d{number}.md"]}
        for number in range(count)
    )


def planted(
    folder: Path,
    effects: Mapping[str, float],
    questions: int = 80,
    noise: int = 1,
    other: Mapping[str, float] | None = None,
    **changes: Any,
) -> Run:
    """A run whose answers are right with 0.3 and so much more for each layer that is on.

    `other` shifts the other metrics: `k_precision` by this much with the adapter on.
    """
    folder.mkdir(exist_ok=True)
    design = read_design(written(folder, many(questions), **changes))
    chosen = selected(design)
    run = opened_run(folder / "runs", design, chosen, origin(design, noise, effects, other))
    generator = np.random.default_rng(noise)
    luck = {question.id: generator.random() for question in chosen}
    answers = []
    for cell in cells_of(design.factors):
        for question in chosen:
            chance = 0.3 + sum(size for factor, size in effects.items() if getattr(cell, factor) != "off")
            # Half of it is the question's own difficulty, as in a real run.
            drawn = (luck[question.id] + generator.random()) / 2
            answers.append(answer(cell, question, float(drawn < chance), other or {}))
    (run.folder / ANSWERS).write_text("".join(f"{one.model_dump_json()}\n" for one in answers))
    return read_run(run.folder)


def answer(cell: Cell, question: PackQuestion, right: float, other: Mapping[str, float]) -> Answer:
    scores: dict[str, float | None] = {**dict.fromkeys(METRICS, 0.5), "right": right, "refused": None}
    if cell.adapter != "off":
        scores |= {name: 0.5 + shift for name, shift in other.items()}
    if cell.retrieval == "off":
        scores |= dict.fromkeys(("k_precision", "k_coverage", "right_citation"))
    scores |= {"milliseconds": 1000.0, "prompt_tokens": 300.0, "answer_tokens": 40.0}
    return Answer(
        cell=cell,
        question=question.id,
        status="answered",
        failed=None,
        text=f"{'Right' if right else 'Wrong'} <b>bold</b> & [1]",
        cited=(),
        scores=scores,
        missing={name: "planted" for name, value in scores.items() if value is None},
        manifest=None,
    )


def origin(design: Design, *planted: object) -> dict[str, Any]:
    return {
        "design": declared(design),
        "planted": [str(one) for one in planted],
        "engine": "planted",
        "base": "b" * 64,
        "questions": "q" * 64,
        "prompts": {"house@1": "p" * 64},
        "adapters": {"style@1": "a" * 64},
        "collections": {"hospital": {"documents": 3, "sha256": "c" * 64, "fingerprint": "f"}},
    }
