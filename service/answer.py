"""The product on one page: a question and a plan become an answer, event by event."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

from fastapi.concurrency import run_in_threadpool
from langchain_core.messages import AIMessageChunk, BaseMessage
from sqlalchemy.exc import SQLAlchemyError

from adapters.engines.protocol import Engine, Generation
from adapters.prompt import PromptTemplate, Turn, render
from configs.slot import NO_ATTRIBUTES
from ingest.corpus import Corpus
from ingest.documents import PUBLIC
from ingest.owner import OwnerLock
from service.admin import Admin
from service.decide import Decider
from service.defaults import Defaults
from service.draft import Draft
from service.events import Done, Event, Meta, Sources
from service.experiments.assign import Experiment, assign
from service.guard.check import EmergencyCheck
from service.guard.citations import CitationFilter, Verbatim
from service.interleave import find_both
from service.loading import AdapterLoader
from service.plan import Exposure, Manifest, Plan
from service.records import Records, UnknownConversation
from service.retrieve import Found, HybridRetriever, RetrievalError, find
from service.switches import Known, Overrides, SwitchRefused

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """What a person asks. Callers that keep no conversation give `history`; `user` is ASCII.

    `keep` false leaves no trace in the records: an evaluation asks what no person asked.
    """

    text: str
    history: tuple[Turn, ...] = ()
    conversation_id: str | None = None
    user: str | None = None
    labels: frozenset[str] = frozenset({PUBLIC})
    json_schema: Mapping[str, Any] | None = None
    keep: bool = True


@dataclass(frozen=True)
class Chatbot:
    """The open parts of the product, and how they work together."""

    defaults: Defaults
    emergencies: EmergencyCheck
    prompts: Mapping[str, PromptTemplate]
    retriever: HybridRetriever
    engine: Engine
    adapters: AdapterLoader
    records: Records
    admin: Admin
    corpus: Corpus
    owner: OwnerLock
    decider: Decider | None = None

    def plan(self, overrides: Overrides, user: str | None, attributes: Mapping[str, str] = NO_ATTRIBUTES) -> Plan:
        """The configuration, then the experiments, then the request. Raises SwitchRefused, UnitRefused.

        `attributes` only decide which experiments take the user; they are kept nowhere.
        """
        exposures = self.exposures(user, attributes) if user is not None else []
        return self.defaults.plan(overrides, self.known(), exposures)

    def exposures(self, user: str, attributes: Mapping[str, str]) -> list[Exposure]:
        """The user's arms. Nobody is drawn whose earlier arms cannot be read: help must come even then."""
        try:
            experiments = self.running()
            if not experiments:
                return []
            past = self.records.past(user, [one.key for one in experiments])
        except SQLAlchemyError as error:
            # Without the error's text: it holds the user.
            logger.error("experiments are left out, the records cannot be read: %s", type(error).__name__)
            return []
        return assign(experiments, user, attributes, past)

    def running(self) -> tuple[Experiment, ...]:
        """Those that run now, read anew each time: another process may have started or stopped one."""
        return self.records.experiments.running(self.defaults.experiments)

    async def planned(
        self, text: str, overrides: Overrides, user: str | None, attributes: Mapping[str, str] = NO_ATTRIBUTES
    ) -> Plan:
        """The plan for this question. For an emergency there is always one, if need be without any layer: help
        must come even where a layer is asked for that cannot act, and whatever cannot be read.
        """
        try:
            return await run_in_threadpool(self.plan, overrides, user, attributes)
        except Exception as error:
            if not await self.urgent(text):
                raise
            logger.error("an emergency is handed off without its plan: %s", type(error).__name__)
            return self.defaults.bare()

    async def urgent(self, text: str) -> bool:
        """Whether the answer will be an emergency hand-off, which no layer and no limit stands before."""
        return await self.emergencies.handoff(text) is not None

    async def answer(self, question: Question, plan: Plan) -> AsyncGenerator[Event]:
        """Closing it stops the generation; only an answer that ends with Done is recorded, if the question says so.

        What help waits for runs in threads of its own: searches may have taken all of asyncio's.

        Raises RetrievalError, AdapterRefused, PromptTooLong, EngineBusy, EngineError, UnknownConversation.
        """
        handoff = await self.emergencies.handoff(question.text)
        urgent = handoff is not None
        conversation, history = await run_in_threadpool(self.opened, question, urgent)
        draft = Draft(conversation, plan)
        yield Meta(draft.message_id, conversation, plan.layers)
        if handoff is not None:
            draft.rule = handoff.rule
            yield draft.fixed(handoff.text, "emergency")
        else:
            async with aclosing(self.composed(draft, question, history)) as events:
                async for event in events:
                    yield event
        manifest = draft.manifest()
        if question.keep:
            await run_in_threadpool(self.record, draft, question, manifest)
        yield Done(draft.text, manifest)

    async def composed(self, draft: Draft, question: Question, history: Sequence[Turn]) -> AsyncGenerator[Event]:
        """Sources if retrieval is on, then the model's text; without any source a fixed text."""
        draft.turns, draft.json_schema = len(history), question.json_schema
        if draft.plan.layers.retrieval is not None:
            with draft.timed("retrieve"):
                draft.found = await self.found(draft, question, history)
            yield Sources(draft.passages)
            if not draft.passages:
                yield draft.fixed(self.defaults.no_answer, "no_sources")
                return
        async with aclosing(self.generated(draft, question, history)) as events:
            async for event in events:
                yield event

    async def found(self, draft: Draft, question: Question, history: Sequence[Turn]) -> Found:
        """By the plan's collection, or by both that are interleaved."""
        text, labels = question.text, question.labels
        if draft.interleaving:
            return await find_both(self.retriever, text, history, labels=labels, both=draft.interleaving)
        return await find(self.retriever, text, history, labels=labels, named=draft.plan.layers.retrieval)

    async def generated(self, draft: Draft, question: Question, history: Sequence[Turn]) -> AsyncGenerator[Event]:
        """The model's text, with citations only of passages that were shown; and that the adapter did act."""
        prompt = draft.plan.layers.prompt
        draft.template = self.prompts[prompt] if prompt else None
        passages = draft.passages if draft.found else None
        # In a thread: on /v1, earlier turns may be a megabyte long.
        messages = await asyncio.to_thread(render, draft.template, question.text, passages, history)
        citations = Verbatim() if question.json_schema else CitationFilter(len(draft.passages))
        async with aclosing(self.spoken(draft, messages, question.json_schema)) as texts:
            async for text in texts:
                for event in draft.shown(citations.feed(text)):
                    yield event
        for event in draft.shown(citations.finish()):
            yield event
        draft.check_adapter()
        yield draft.usage

    async def spoken(
        self, draft: Draft, messages: list[BaseMessage], json_schema: Mapping[str, Any] | None
    ) -> AsyncGenerator[str]:
        """The engine's text, piece by piece."""
        plan = draft.plan
        generation = Generation(
            adapter=plan.layers.adapter,
            max_tokens=plan.max_tokens,
            temperature=plan.temperature,
            top_p=plan.top_p,
            seed=plan.seed,
            json_schema=json_schema,
        )
        with draft.timed("answer"):
            async with self.adapters.held(plan.layers.adapter) as draft.weights:
                stream = self.engine.astream(messages, generation=generation)
                async with aclosing(cast(AsyncGenerator[AIMessageChunk], stream)) as chunks:
                    async for chunk in chunks:
                        yield draft.read(chunk)

    async def search(
        self,
        query: str,
        history: Sequence[Turn],
        collection: str | None,
        limit: int | None,
        labels: frozenset[str],
    ) -> Found:
        """What retrieval finds, without an answer. Raises SwitchRefused, RetrievalError."""
        known = await asyncio.to_thread(self.known)
        name = known.value("retrieval", collection or str(self.defaults.layers.retrieval))
        return await find(self.retriever, query, history, labels=labels, named=name, limit=limit)

    def known(self) -> Known:
        """What can stand in the layers now."""
        collections = {collection.name for collection in self.corpus.library.collections()}
        shelf = self.adapters.shelf
        return Known(
            prompts=frozenset(self.prompts),
            collections=frozenset({self.corpus.name, *collections, *self.retriever.ways}),
            adapters=shelf.labels(),
            promoted=shelf.promoted(),
        )

    def configuration(self) -> dict[str, Any]:
        """Defaults, limits, and what exists for each layer: what a page needs to draw the switches."""
        return self.defaults.as_dict(self.known())

    async def ready(self) -> Mapping[str, str]:
        """Component -> "ok", or what is wrong with it."""
        return await asyncio.to_thread(self.components) | {"engine": await self.engine.state()}

    def components(self) -> dict[str, str]:
        states = dict.fromkeys(("library", "documents", "adapter"), "ok")
        try:
            plan = self.plan(Overrides(), None)
            if plan.layers.retrieval is not None:
                self.retriever.way(plan.layers.retrieval).check()
        except SQLAlchemyError as error:
            states["library"] = f"the database does not answer ({type(error).__name__})"
        except SwitchRefused as error:
            states[error.layer] = str(error)
        except RetrievalError as error:
            states["documents"] = str(error)
        return states

    def opened(self, question: Question, urgent: bool) -> tuple[str, tuple[Turn, ...]]:
        """The conversation's id and its last turns. Help comes first: nothing here may stand in its way."""
        try:
            return self.conversation(question)
        except (UnknownConversation, SQLAlchemyError) as error:
            if not urgent:
                raise
            # Without the error's text, here and below: it may hold what was asked.
            logger.error("an emergency is handed off without its conversation: %s", type(error).__name__)
            return uuid4().hex, ()

    def conversation(self, question: Question) -> tuple[str, tuple[Turn, ...]]:
        turns = self.defaults.history_turns
        if question.conversation_id is None:
            return uuid4().hex, last(question.history, turns)
        kept = self.records.history(question.conversation_id, question.user, turns)
        return question.conversation_id, last(question.history, turns) or kept

    def record(self, draft: Draft, question: Question, manifest: Manifest) -> None:
        turn = Turn(question.text, draft.text)
        place = (draft.message_id, draft.conversation_id, question.user)
        try:
            self.records.store_answer(*place, turn, manifest, draft.exposures)
        except SQLAlchemyError as error:
            if draft.path != "emergency":
                raise
            logger.error("an emergency hand-off was given, but not recorded: %s", type(error).__name__)


def last(history: Sequence[Turn], turns: int) -> tuple[Turn, ...]:
    return tuple(history[-turns:]) if turns else ()
