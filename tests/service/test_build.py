"""The real thing: the embedded model and embedder over five small documents, put together from settings."""

import asyncio
import gc
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from adapters.engines.protocol import Generation, PromptTooLong
from adapters.prompt import PromptError, render
from adapters.registry import UnknownAdapter
from configs.load import HOSPITAL, load_settings
from configs.settings import Settings
from ingest.build import embedder_of
from ingest.embed import Embedder
from ingest.embed_openvino import kept_name
from ingest.models import ModelError
from ingest.owner import FolderInUse, OwnerLock
from ingest.vectors import VectorIndex
from service.answer import Chatbot
from service.build import build, experiments_of, needed_adapters
from service.events import Delta, Done, Meta, Sources, Usage
from service.experiments.running import EARLIER_LOG
from service.guard.emergencies import EmergencyRulesError
from service.plan import Layers
from service.switches import Overrides, SwitchRefused
from tests.service.conftest import PUBLIC_DOCUMENTS, data_folder, ingest, opened
from tests.service.parts import answered
from tests.service.small_adapter import adapter

# The engine serves all tests of this file, so they share its event loop.
with_bot = pytest.mark.asyncio(loop_scope="module")
VISITING = "When can I visit the general wards?"
ADAPTER_OFF: dict[str, Any] = {"layers": {"adapter": {"switch": "off"}}}
EARLIER_ACT = {"at": "2026-03-01T10:00:00+00:00", "by": "Ada", "act": "stop", "experiment": "spring"}
SMALL = {"slots": 2, "context_tokens": 1024}


def settings_in(folder: Path, **changes: Any) -> Settings:
    """The hospital's settings with a data folder of their own."""
    pack = yaml.safe_load(HOSPITAL.read_text(encoding="utf-8"))
    layers = {name: {**pack["layers"][name], **changes.get("layers", {}).get(name, {})} for name in pack["layers"]}
    for name in ("prompt", "adapter"):
        layers[name]["folder"] = str(HOSPITAL.parent / pack["layers"][name]["folder"])
    values = {
        "name": pack["name"],
        "guard": {"emergencies": str(HOSPITAL.parent / "emergencies.yaml")},
        "data": {"folder": str(folder / "data")},
        "engine": SMALL,
        "sampling": {"max_tokens": 40},
        **changes,
        "layers": layers,
    }
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return load_settings(file, {}).settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, derived: Path, embedder: Embedder) -> Settings:
    folder = tmp_path_factory.mktemp("service")
    data_folder(folder, derived)
    made = settings_in(folder, **ADAPTER_OFF)
    (made.data.folder / EARLIER_LOG).write_text(f"{json.dumps(EARLIER_ACT)}\n", encoding="utf-8")
    for corpus in opened(made.data.folder, embedder):
        ingest(corpus, PUBLIC_DOCUMENTS)
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(settings: Settings) -> AsyncIterator[Chatbot]:
    async with build(settings) as chatbot:
        yield chatbot


@with_bot
async def test_a_real_answer_from_real_documents(bot: Chatbot, settings: Settings) -> None:
    events = await answered(bot, VISITING)
    assert isinstance(events[0], Meta)
    assert isinstance(events[1], Sources)
    assert events[1].passages[0].source == "visiting.md"
    done = events[-1]
    assert isinstance(done, Done)
    assert done.text == "".join(event.text for event in events if isinstance(event, Delta)) != ""
    manifest = done.manifest
    assert manifest.acted == Layers("house@1", "hospital", None)
    assert (manifest.engine, manifest.base) == ("openvino", settings.engine.base.sha256)
    assert manifest.tokens["prompt"] > 100
    assert 0 < manifest.tokens["completion"] <= 40
    assert manifest.timings.keys() == {"retrieve", "wait", "prompt", "answer"}


@with_bot
async def test_the_same_question_and_seed_give_the_same_answer(bot: Chatbot) -> None:
    texts = {(await answered(bot, VISITING))[-1].text for _ in range(2)}  # type: ignore[union-attr]
    assert len(texts) == 1


@with_bot
async def test_the_bare_model_answers_too(bot: Chatbot) -> None:
    events = await answered(bot, "Say hello.", Overrides(prompt="off", retrieval="off", adapter="off"))
    done = events[-1]
    assert isinstance(done, Done)
    assert done.manifest.acted == Layers(None, None, None)
    assert [event for event in events if isinstance(event, Usage)]


@with_bot
async def test_a_real_adapter_is_loaded_on_demand_and_changes_the_answer(bot: Chatbot, settings: Settings) -> None:
    adapter(settings.data.folder / "adapters" / "noise" / "1", str(settings.engine.base.sha256), seed=1, scale=0.2)
    without = (await answered(bot, VISITING))[-1]
    changed = (await answered(bot, VISITING, Overrides(adapter="noise@1")))[-1]
    assert isinstance(without, Done) and isinstance(changed, Done)
    assert changed.manifest.acted.adapter == "noise@1"
    assert changed.manifest.adapter_sha256 == bot.adapters.loaded["noise@1"].sha256
    assert changed.text != without.text
    assert "noise@1" in bot.configuration()["layers"]["adapter"]["known"]


async def test_the_first_question_to_an_adapter_finds_how_prompts_begin_in_its_cache(
    tmp_path: Path, derived: Path
) -> None:
    data_folder(tmp_path, derived)
    async with build(settings_in(tmp_path, engine={**SMALL, "kind": "llamacpp"})) as chatbot:
        (label,) = chatbot.adapters.loaded
        question = render(chatbot.prompts["house@1"], VISITING, ())
        first = await chatbot.engine.ainvoke(question, generation=Generation(adapter=label, max_tokens=1))
        assert first.usage_metadata is not None
        assert first.usage_metadata["input_token_details"]["cache_read"] > 100


@with_bot
async def test_an_emergency_needs_no_model(bot: Chatbot) -> None:
    done = (await answered(bot, "my husband is not breathing"))[-1]
    assert isinstance(done, Done)
    assert (done.manifest.path, done.manifest.engine) == ("emergency", "none")


@with_bot
async def test_a_question_that_is_too_long_is_refused(bot: Chatbot) -> None:
    with pytest.raises(PromptTooLong):
        await answered(bot, "What is " + "very " * 3000 + "long?", Overrides(retrieval="off"))


@with_bot
async def test_the_acts_of_an_earlier_program_are_taken_over_at_the_start(bot: Chatbot, settings: Settings) -> None:
    assert bot.records.experiments.acts() == [EARLIER_ACT]
    assert not (settings.data.folder / EARLIER_LOG).exists()


@with_bot
async def test_everything_is_ready(bot: Chatbot) -> None:
    assert set((await bot.ready()).values()) == {"ok"}


@with_bot
async def test_the_data_folder_has_one_owner(bot: Chatbot, settings: Settings) -> None:
    with pytest.raises(FolderInUse):
        async with build(settings):
            pass


@asynccontextmanager
async def failing(settings: Settings) -> AsyncIterator[None]:
    async with build(settings):
        yield


async def test_a_missing_prompt_is_told_at_the_start(tmp_path: Path) -> None:
    layers = {**ADAPTER_OFF["layers"], "prompt": {"name": "house@99"}}
    with pytest.raises(PromptError, match="house@1"):
        async with failing(settings_in(tmp_path, layers=layers)):
            pass


async def test_missing_emergency_rules_are_told_at_the_start(tmp_path: Path) -> None:
    guard = {"emergencies": str(tmp_path / "none.yaml")}
    with pytest.raises(EmergencyRulesError, match=r"none\.yaml"):
        async with failing(settings_in(tmp_path, **ADAPTER_OFF, guard=guard)):
            pass


async def test_missing_emergency_examples_are_told_at_the_start(tmp_path: Path) -> None:
    rules = str(HOSPITAL.parent / "emergencies.yaml")
    guard = {"emergencies": rules, "examples": str(tmp_path / "none.yaml")}
    with pytest.raises(EmergencyRulesError, match=r"none\.yaml"):
        async with failing(settings_in(tmp_path, **ADAPTER_OFF, guard=guard)):
            pass


async def test_a_missing_adapter_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UnknownAdapter, match="nobody"):
        async with failing(settings_in(tmp_path, layers={"adapter": {"name": "nobody"}})):
            pass


async def test_an_arm_that_names_nothing_is_told_at_the_start(tmp_path: Path, derived: Path) -> None:
    data_folder(tmp_path, derived)
    arms = [ARMS[0], {"name": "other", "value": "house@99", "share": 0.5}]
    running = [experiment(factor="prompt", arms=arms)]
    with pytest.raises(SwitchRefused, match="house@99"):
        async with failing(settings_in(tmp_path, **ADAPTER_OFF, experiments=running)):
            pass


async def test_a_failed_start_frees_the_folder(tmp_path: Path) -> None:
    layers = {**ADAPTER_OFF["layers"], "prompt": {"name": "house@99"}}
    for _ in range(2):
        with pytest.raises(PromptError):
            async with failing(settings_in(tmp_path, layers=layers)):
                pass


SMALLEST: dict[str, Any] = {
    **ADAPTER_OFF,
    "engine": {"kind": "openai", "openai": {"url": "http://127.0.0.1:9/v1"}},
    "ranker": {"adapter": None},
    "embedder": {"questions": "torch"},
}


async def test_a_start_that_is_cancelled_keeps_the_folder_until_its_index_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, prepare, close = settings_in(tmp_path, **SMALLEST), VectorIndex.prepare, VectorIndex.close
    closed: list[VectorIndex] = []
    opening, go_on = threading.Event(), threading.Event()

    def held_up(index: VectorIndex) -> None:
        prepare(index)
        opening.set()
        go_on.wait()

    def watched(index: VectorIndex) -> None:
        close(index)
        with pytest.raises(FolderInUse):
            OwnerLock(settings.data.folder)
        closed.append(index)

    monkeypatch.setattr(VectorIndex, "prepare", held_up)
    monkeypatch.setattr(VectorIndex, "close", watched)
    start = asyncio.create_task(build(settings).__aenter__())
    await asyncio.to_thread(opening.wait)
    start.cancel()
    await asyncio.wait([start], timeout=0.5)
    try:
        with pytest.raises(FolderInUse):
            OwnerLock(settings.data.folder)
    finally:
        go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await start
    OwnerLock(settings.data.folder).close()
    assert len(closed) == 1


async def test_a_damaged_network_is_told_once(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, **{**SMALLEST, "embedder": {"questions": "openvino"}})
    kept = settings.data.folder / "cache" / kept_name(embedder_of(settings).fingerprint)
    kept.mkdir(parents=True)
    (kept / "settings.json").write_text("{broken", encoding="utf-8")
    told_again: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told_again.append(context))
    with pytest.raises(ModelError, match="Delete the folder"):
        async with failing(settings):
            pass
    # What nobody asked a future, asyncio tells when it is thrown away.
    gc.collect()
    assert not told_again


ARMS = [{"name": "with", "value": "on", "share": 0.5}, {"name": "other", "value": "tone@2", "share": 0.5}]


def experiment(**changes: Any) -> dict[str, Any]:
    values = {"key": "style-2026", "factor": "adapter", "seed": "s", "coverage": 1, "active": True, "arms": ARMS}
    return {**values, **changes}


def test_needed_adapters_are_those_that_act_unasked(tmp_path: Path) -> None:
    assert needed_adapters(settings_in(tmp_path)) == ["house-style"]
    assert needed_adapters(settings_in(tmp_path, **ADAPTER_OFF)) == []
    running = settings_in(tmp_path, **ADAPTER_OFF, experiments=[experiment()])
    assert needed_adapters(running) == ["house-style", "tone@2"]
    assert needed_adapters(settings_in(tmp_path, **ADAPTER_OFF, experiments=[experiment(active=False)])) == []


def test_experiments_are_as_configured(tmp_path: Path) -> None:
    both = [experiment(decision_at=300), experiment(key="old-2025", active=False)]
    running, stopped = experiments_of(settings_in(tmp_path, experiments=both))
    assert (running.key, [arm.value for arm in running.arms]) == ("style-2026", ["on", "tone@2"])
    assert (running.active, running.decision_at, running.interleave) == (True, 300, False)
    assert (stopped.active, stopped.decision_at, stopped.smallest_effect) == (False, 1000, 0.05)
