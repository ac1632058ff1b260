import asyncio

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from adapters.engines.protocol import AdapterRefused, EngineError
from service.loading import AdapterLoader
from tests.service.parts import ScriptedEngine, Shelf


async def test_a_caller_who_leaves_does_not_stop_the_loading() -> None:
    shelf, engine = Shelf(), ScriptedEngine(pause=0.05)
    loader = AdapterLoader(shelf, engine, 3)
    leaving = asyncio.create_task(loader.ready("style@1"))
    await asyncio.sleep(0.01)
    leaving.cancel()
    weights = await loader.ready("style@1")
    assert weights is not None and weights.name == "style@1"
    assert shelf.verifications == ["style@1"]
    assert engine.adapters() == ("style@1",)


async def test_a_loaded_adapter_does_not_wait_for_another() -> None:
    engine = ScriptedEngine(pause=0.2)
    loader = AdapterLoader(Shelf(), engine, 3)
    await loader.ready("style@1")
    other = asyncio.create_task(loader.ready("style@2"))
    await asyncio.sleep(0.01)
    await loader.ready("style@1")
    assert not other.done()
    await other


async def test_a_refused_adapter_is_tried_again_and_harms_no_other() -> None:
    loader = AdapterLoader(Shelf(), ScriptedEngine(), 3)
    for _ in range(2):
        with pytest.raises(AdapterRefused):
            await loader.ready("broken@1")
    assert await loader.ready("style@2") is not None
    assert await loader.ready(None) is None


async def test_of_too_many_the_one_that_was_not_used_for_the_longest_time_goes() -> None:
    engine = ScriptedEngine()
    loader = AdapterLoader(Shelf(), engine, 2)
    for label in ("style@1", "style@2", "style@1", "style@3"):
        await loader.ready(label)
    assert engine.adapters() == tuple(loader.loaded) == ("style@1", "style@3")


async def test_none_goes_while_it_answers() -> None:
    engine = ScriptedEngine()
    loader = AdapterLoader(Shelf(), engine, 1)
    async with loader.held("style@1") as weights:
        assert weights is not None and weights.name == "style@1"
        await loader.ready("style@2")
        assert engine.adapters() == ("style@1", "style@2")
    await loader.ready("style@3")
    assert engine.adapters() == ("style@3",)


async def test_an_unloaded_adapter_passes_the_gate_again() -> None:
    shelf = Shelf()
    loader = AdapterLoader(shelf, ScriptedEngine(), 1)
    for label in ("style@1", "style@2", "style@1"):
        await loader.ready(label)
    assert shelf.verifications == ["style@1", "style@2", "style@1"]


async def test_without_an_adapter_nothing_is_held() -> None:
    loader = AdapterLoader(Shelf(), ScriptedEngine(), 1)
    async with loader.held(None) as weights:
        assert weights is None


async def test_what_begins_to_answer_while_others_go_stays() -> None:
    class SlowToUnload(ScriptedEngine):
        async def unload(self, name: str) -> None:
            await asyncio.sleep(0.05)
            await super().unload(name)

    engine = SlowToUnload()
    loader = AdapterLoader(Shelf(), engine, 3)
    for label in ("style@1", "style@2", "style@3"):
        await loader.ready(label)
    loader.most = 1
    loading = asyncio.create_task(loader.ready("style@4"))
    await asyncio.sleep(0.02)
    assert "style@1" not in loader.loaded
    async with loader.held("style@2"):
        await loading
        assert "style@2" in engine.adapters()
    assert engine.adapters() == ("style@2", "style@4")


async def test_many_at_once_each_get_their_own() -> None:
    loader = AdapterLoader(Shelf(), ScriptedEngine(pause=0.001), 1)
    labels = [f"style@{1 + number % 5}" for number in range(40)]
    weights = await asyncio.gather(*map(loader.ready, labels))
    assert [one.name for one in weights if one] == labels
    assert len(loader.loaded) <= 5


async def test_a_new_adapter_has_read_how_prompts_begin_before_it_may_answer() -> None:
    engine = ScriptedEngine()
    beginning = [SystemMessage("You answer visitors."), HumanMessage("Question:")]
    loader = AdapterLoader(Shelf(), engine, 3, beginning)
    for label in ("style@1", "style@2", "style@1"):
        await loader.ready(label)
    assert [messages for messages, _ in engine.seen] == [beginning, beginning]
    assert [(asked.adapter, asked.max_tokens) for _, asked in engine.seen] == [("style@1", 1), ("style@2", 1)]


async def test_an_adapter_that_cannot_read_is_not_ready() -> None:
    engine = ScriptedEngine(script=(EngineError("out of memory"),))
    loader = AdapterLoader(Shelf(), engine, 3, [HumanMessage("Question:")])
    with pytest.raises(EngineError, match="out of memory"):
        await loader.ready("style@1")
    assert not loader.loaded and not engine.adapters()
