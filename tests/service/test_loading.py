import asyncio

import pytest

from adapters.engines.protocol import AdapterRefused
from service.loading import AdapterLoader
from tests.service.parts import ScriptedEngine, Shelf


async def test_a_caller_who_leaves_does_not_stop_the_loading() -> None:
    shelf, engine = Shelf(), ScriptedEngine(pause=0.05)
    loader = AdapterLoader(shelf, engine)
    leaving = asyncio.create_task(loader.ready("style@1"))
    await asyncio.sleep(0.01)
    leaving.cancel()
    weights = await loader.ready("style@1")
    assert weights is not None and weights.name == "style@1"
    assert shelf.verifications == ["style@1"]
    assert engine.adapters() == ("style@1",)


async def test_a_loaded_adapter_does_not_wait_for_another() -> None:
    engine = ScriptedEngine(pause=0.2)
    loader = AdapterLoader(Shelf(), engine)
    await loader.ready("style@1")
    other = asyncio.create_task(loader.ready("style@2"))
    await asyncio.sleep(0.01)
    await loader.ready("style@1")
    assert not other.done()
    await other


async def test_a_refused_adapter_is_tried_again_and_harms_no_other() -> None:
    loader = AdapterLoader(Shelf(), ScriptedEngine())
    for _ in range(2):
        with pytest.raises(AdapterRefused):
            await loader.ready("broken@1")
    assert await loader.ready("style@2") is not None
    assert await loader.ready(None) is None
