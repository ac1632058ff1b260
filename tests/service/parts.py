"""A chatbot put together by hand: real corpus, records and rules, and an engine that says what a test wants."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from pydantic import PrivateAttr

from adapters.engines.protocol import AdapterRefused, AdapterWeights, Engine, Generation
from adapters.prompt import load_prompt, prompt_labels
from adapters.registry import Registry
from configs.load import HOSPITAL
from ingest.corpus import Corpus
from ingest.database import Database, library_url
from ingest.embed import Embedder
from ingest.owner import OwnerLock
from service.admin import Admin
from service.answer import Chatbot, Question
from service.defaults import Defaults
from service.events import Event
from service.guard.check import EmergencyCheck
from service.guard.emergencies import load_rules
from service.guard.likeness import likeness, load_examples
from service.loading import AdapterLoader
from service.plan import Layers
from service.records import Records
from service.retrieve import HybridRetriever
from service.switches import Overrides

PROMPTS = HOSPITAL.parent / "prompts"
RULES = load_rules(HOSPITAL.parent / "emergencies.yaml")
EXAMPLES = load_examples(HOSPITAL.parent / "emergency_examples.yaml", RULES)
DEFAULTS = Defaults(
    name="Test Hospital",
    layers=Layers("house@1", "hospital", "style"),
    switches={"prompt": "on", "retrieval": "on", "adapter": "on"},
    max_tokens=80,
    temperature=0.0,
    top_p=1.0,
    seed=0,
    history_turns=2,
    no_answer="I can't find this in our documents.",
    limits={"max_question_characters": 4000},
)


class ScriptedEngine(Engine):
    """Says `script` piece by piece; an error in it is raised. `liar` acts with another adapter than asked."""

    kind: ClassVar[str] = "scripted"
    script: tuple[str | Exception, ...] = ("From 10 a.m. to 8 p.m. [1].",)
    liar: bool = False
    pause: float = 0.0

    _seen: list[tuple[Sequence[BaseMessage], Generation]] = PrivateAttr(default_factory=list)
    _loaded: dict[str, AdapterWeights] = PrivateAttr(default_factory=dict)
    _closed: int = PrivateAttr(default=0)

    @property
    def seen(self) -> list[tuple[Sequence[BaseMessage], Generation]]:
        return self._seen

    @property
    def closed(self) -> int:
        return self._closed

    @property
    def base(self) -> str:
        return "b" * 64

    def adapters(self) -> tuple[str, ...]:
        return tuple(self._loaded)

    async def load(self, adapter: AdapterWeights) -> None:
        await asyncio.sleep(self.pause)
        self._loaded[adapter.name] = adapter

    async def unload(self, name: str) -> None:
        del self._loaded[name]

    async def close(self) -> None:
        self._loaded.clear()

    async def _streamed(
        self, messages: Sequence[BaseMessage], stop: Sequence[str], generation: Generation
    ) -> AsyncIterator[ChatGenerationChunk]:
        if generation.adapter is not None and generation.adapter not in self._loaded:
            raise AdapterRefused(f"{generation.adapter} is not loaded")
        self._seen.append((messages, generation))
        try:
            for piece in self.script:
                if isinstance(piece, Exception):
                    raise piece
                await asyncio.sleep(self.pause)
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
            acted = None if self.liar else generation.adapter
            yield ChatGenerationChunk(message=last_word(self.kind, self.base, acted))
        finally:
            self._closed += 1


def last_word(kind: str, base: str, adapter: str | None) -> AIMessageChunk:
    return AIMessageChunk(
        content="",
        chunk_position="last",
        usage_metadata={"input_tokens": 50, "output_tokens": 9, "total_tokens": 59},
        response_metadata={
            "engine": kind,
            "base": base,
            "adapter": adapter,
            "finish_reason": "stop",
            "timings": {"prompt": 3.0, "answer": 4.0},
        },
    )


class Shelf:
    """Two versions of one adapter, one of them promoted; `broken@1` does not pass the gate."""

    def __init__(self) -> None:
        self.verifications: list[str] = []

    def labels(self) -> frozenset[str]:
        return frozenset({"style@1", "style@2", "broken@1"})

    def promoted(self) -> Mapping[str, str]:
        return {"style": "style@1"}

    def verified(self, label: str, base: str) -> AdapterWeights:
        self.verifications.append(label)
        if label.startswith("broken"):
            raise AdapterRefused("the weights of broken@1 are not finite")
        return AdapterWeights(label, "/nowhere", f"hash of {label}")


@cache
def emergencies(embedder: Embedder) -> EmergencyCheck:
    """The hospital's, embedded once for all tests."""
    with TemporaryDirectory() as folder:
        return EmergencyCheck(RULES, likeness(EXAMPLES, embedder, Path(folder)))


def chatbot(corpus: Corpus, folder: Path, engine: Engine | None = None, **defaults: Any) -> Chatbot:
    engine = engine or ScriptedEngine()
    loader = AdapterLoader(Shelf(), engine, 3)
    return Chatbot(
        defaults=replace(DEFAULTS, **defaults),
        emergencies=emergencies(corpus.embedder),
        prompts={label: load_prompt(PROMPTS, label) for label in prompt_labels(PROMPTS)},
        retriever=HybridRetriever(corpus=corpus, passages=3, candidates=50, dense_weight=0.7, min_score=0.28),
        engine=engine,
        adapters=loader,
        records=Records(Database(library_url(None, folder))),
        admin=Admin(corpus, Registry(folder / "shipped", folder / "adapters"), loader),
        corpus=corpus,
        owner=OwnerLock(folder / "owner"),
    )


def scripted(*script: str | Exception, **values: Any) -> ScriptedEngine:
    return ScriptedEngine(script=script, **values)


async def answered(
    bot: Chatbot, question: str | Question, overrides: Overrides = Overrides(), user: str | None = None
) -> list[Event]:
    """All events of one answer."""
    asked = Question(question, user=user) if isinstance(question, str) else question
    return [event async for event in bot.answer(asked, bot.plan(overrides, asked.user))]
