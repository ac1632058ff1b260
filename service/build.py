"""The composition root: settings become the open parts of a chatbot; nothing behind this knows settings."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from adapters.card import CardError
from adapters.commands import registry_of
from adapters.decisions.pack import open_pack
from adapters.decisions.policy import PolicyError
from adapters.engines.protocol import Engine
from adapters.prompt import PromptError, PromptTemplate, load_prompt, prompt_labels, render
from adapters.registry import UnknownAdapter
from configs.load import ConfigurationError, stay_offline
from configs.settings import Settings
from ingest.build import embedder_of, opened_corpus
from ingest.database import Database, LibraryError, library_url
from ingest.embed import Embedder
from ingest.models import ModelError, file_sha256, locate_file
from ingest.owner import OwnerLock
from service.admin import Admin
from service.answer import Chatbot
from service.build_search import retriever_of, second_look
from service.decide import RECORDS, Decider
from service.defaults import Defaults
from service.experiments.assign import Arm, Experiment
from service.experiments.running import EARLIER_LOG, ExperimentRefused, check_alone, check_arms
from service.guard.check import EmergencyCheck
from service.guard.emergencies import EmergencyRulesError, load_rules
from service.guard.likeness import likeness, load_examples
from service.loading import AdapterLoader
from service.plan import FACTORS, Factor, Layers
from service.records import Records
from service.switches import Overrides, SwitchRefused

T = TypeVar("T")

ALL_ON: Mapping[Factor, str] = dict.fromkeys(FACTORS, "on")


# What can be wrong with a set-up: every command that builds tells it in a sentence.
WRONG_SETUP = (
    CardError,
    ConfigurationError,
    EmergencyRulesError,
    ExperimentRefused,
    LibraryError,
    ModelError,
    PolicyError,
    PromptError,
    SwitchRefused,
    UnknownAdapter,
)


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Chatbot]:
    """Open everything, check what the settings name, load what they need; close it all in the end.

    Raises FolderInUse, ModelError, LibraryError, PromptError, PolicyError, EmergencyRulesError, UnknownAdapter,
    ExperimentRefused, SwitchRefused or EngineError: each says what to do.
    """
    stay_offline()
    async with AsyncExitStack() as stack:
        owner = stack.enter_context(OwnerLock(settings.data.folder))
        rules = load_rules(settings.guard.emergencies)
        examples = load_examples(settings.guard.examples, rules)
        prompts = load_prompts(settings.layers.prompt.folder, settings.layers.prompt.name)
        registry = registry_of(settings)
        needed = [registry.full_label(name) for name in needed_adapters(settings)]
        embedder = embedder_of(settings)
        # Each takes seconds, so all three open at once. The embedder is needed where retrieval is off, too: the
        # emergency check embeds.
        loading = begun(stack, embedder.load_questions)
        looking = begun(stack, second_look, settings)
        opening = asyncio.create_task(opened_engine(settings))
        stack.push_async_callback(close_engine, opening)
        # Shielded, as all that is begun: the stack waits for it.
        corpus = await asyncio.shield(begun(stack, stack.enter_context, opened_corpus(settings, embedder)))
        cache = settings.data.folder / "cache"
        alike = await asyncio.shield(begun(stack, likeness, examples, embedder, cache))
        records = Records(Database(library_url(settings.library.url, settings.data.folder)))
        stack.callback(records.close)
        records.experiments.take_over(settings.data.folder / EARLIER_LOG)
        engine = await opening
        beginning = render(prompts[settings.layers.prompt.name], question="", passages=())
        loader = AdapterLoader(registry, engine, max(settings.engine.adapters, len(needed)), beginning)
        admin = Admin(corpus, registry, loader)
        stack.callback(admin.close)
        chatbot = Chatbot(
            defaults=defaults_of(settings),
            emergencies=EmergencyCheck(rules, alike),
            prompts=prompts,
            retriever=retriever_of(settings, corpus, await asyncio.shield(looking)),
            engine=engine,
            adapters=loader,
            records=records,
            admin=admin,
            corpus=corpus,
            owner=owner,
            decider=decider_of(settings, embedder, engine, loader),
        )
        await prepare(chatbot, needed)
        await asyncio.shield(loading)
        yield chatbot


async def prepare(chatbot: Chatbot, adapters: Iterable[str]) -> None:
    """Fail now rather than at the first question, and let the first question not wait for models."""
    chatbot.plan(Overrides(), None)
    known = chatbot.known()
    started = chatbot.records.experiments.started(chatbot.defaults.experiments)
    check_alone(started)
    for experiment in started:
        check_arms(experiment, chatbot.defaults.layers, known)
    for label in adapters:
        await chatbot.adapters.ready(label)


def needed_adapters(settings: Settings) -> list[str]:
    """The configured adapter and those of the experiments, as far as they are to act without being asked for."""
    layer = settings.layers.adapter
    arms = [
        arm.value
        for experiment in settings.experiments
        if experiment.active and experiment.factor == "adapter"
        for arm in experiment.arms
    ]
    values = dict.fromkeys([layer.switch, *arms])
    return [layer.name if value == "on" else value for value in values if value != "off"]


def load_prompts(folder: Path, configured: str) -> dict[str, PromptTemplate]:
    """All of the folder. Raises PromptError if the configured one is not among them."""
    return {label: load_prompt(folder, label) for label in (configured, *prompt_labels(folder))}


async def opened_engine(settings: Settings) -> Engine:
    """Each engine is imported only where it serves: their libraries take seconds."""
    match settings.engine.kind:
        case "openvino" | "llamacpp":
            return await gguf_engine(settings)
        case "openai":
            return openai_engine(settings)
        case "langchain":
            from adapters.engines.langchain import langchain_engine

            return langchain_engine(settings.engine.langchain.model, settings.engine.langchain.options)
        case "peft":
            return await peft_engine(settings)


def begun(stack: AsyncExitStack, work: Callable[..., T], *values: Any) -> asyncio.Task[T]:
    """In a thread. No cancellation stops a thread: until it ends, the stack closes nothing that was opened before,
    so that the data folder stays locked as long as something works in it.
    """
    task = asyncio.create_task(asyncio.to_thread(work, *values))
    stack.push_async_callback(settled, task)
    return task


async def settled(task: asyncio.Task[Any]) -> None:
    """Where something else failed first, it is waited for; what went wrong in it is not told twice."""
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()


async def close_engine(opening: asyncio.Task[Engine]) -> None:
    await settled(opening)
    if not opening.cancelled() and opening.exception() is None:
        await opening.result().close()


async def gguf_engine(settings: Settings) -> Engine:
    engine = settings.engine
    gguf = locate_file(engine.base.model, engine.base.sha256)
    values: dict[str, Any] = {
        "gguf": gguf,
        "sha256": engine.base.sha256 or file_sha256(gguf),
        "cache_folder": settings.data.folder / "cache",
        "slots": engine.slots,
        "context_tokens": engine.context_tokens,
        "threads": engine.threads,
        "silence_seconds": engine.silence_seconds,
    }
    if engine.kind == "openvino":
        from adapters.engines.openvino import OpenVINO

        return await OpenVINO(**values).open()
    from adapters.engines.llamacpp import LlamaCpp

    return await LlamaCpp(**values).open()


async def peft_engine(settings: Settings) -> Engine:
    from adapters.base import dequantised
    from adapters.engines.peft import Peft

    engine = settings.engine
    gguf = locate_file(engine.base.model, engine.base.sha256)
    sha256 = engine.base.sha256 or file_sha256(gguf)
    folder = await asyncio.to_thread(dequantised, gguf, sha256, settings.data.folder / "cache" / "base")
    return await Peft(
        folder=folder,
        sha256=sha256,
        context_tokens=engine.context_tokens,
        slots=engine.slots,
        device=engine.device,
        silence_seconds=engine.silence_seconds,
    ).open()


def openai_engine(settings: Settings) -> Engine:
    from openai import AsyncOpenAI

    from adapters.engines.openai import OpenAIServer
    from adapters.engines.openai_lora import SharedFolder

    server = settings.engine.openai
    key = server.api_key.get_secret_value() if server.api_key else "none"
    return OpenAIServer(
        client=AsyncOpenAI(base_url=server.url, api_key=key),
        model=server.model,
        sha256=settings.engine.base.sha256 or server.model,
        served=server.adapters,
        shared=SharedFolder(server.shared.folder, server.shared.seen_as) if server.shared else None,
    )


def defaults_of(settings: Settings) -> Defaults:
    layers, sampling = settings.layers, settings.sampling
    return Defaults(
        name=settings.name,
        layers=Layers(layers.prompt.name, layers.retrieval.name, layers.adapter.name),
        switches={
            "prompt": layers.prompt.switch,
            "retrieval": layers.retrieval.switch,
            "adapter": layers.adapter.switch,
        },
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=sampling.seed,
        history_turns=settings.conversation.history_turns,
        no_answer=settings.guard.no_answer,
        experiments=experiments_of(settings),
        limits={
            "max_question_characters": settings.server.max_question_characters,
            "context_tokens": settings.engine.context_tokens,
        },
    )


def decider_of(settings: Settings, embedder: Embedder, engine: Engine, loader: AdapterLoader) -> Decider | None:
    """None where the settings name no folder. Raises PolicyError, PromptError."""
    values = settings.decisions
    if values.folder is None:
        return None
    layers = Layers(values.prompt, RECORDS, values.adapter)
    return Decider(
        pack=open_pack(values.folder, values.prompt, embedder.fingerprint),
        defaults=replace(defaults_of(settings), layers=layers, switches=ALL_ON, experiments=()),
        embedder=embedder,
        engine=engine,
        adapters=loader,
        similar=values.similar,
        refer_below=values.refer_below,
        open=values.access == "open",
    )


def experiments_of(settings: Settings) -> tuple[Experiment, ...]:
    return tuple(
        Experiment(
            key=one.key,
            factor=one.factor,
            seed=one.seed,
            coverage=one.coverage,
            arms=tuple(Arm(arm.name, arm.value, arm.share) for arm in one.arms),
            active=one.active,
            decision_at=one.decision_at,
            smallest_effect=one.smallest_effect,
            slot=one.slot,
            sticky=one.sticky,
            bucket_version=one.bucket_version,
            min_bucket_version=one.min_bucket_version,
            interleave=one.interleave,
        )
        for one in settings.experiments
    )
