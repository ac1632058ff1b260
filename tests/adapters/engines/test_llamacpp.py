import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from langchain_core.messages import HumanMessage

from adapters.engines import wire
from adapters.engines.handoff import Handoff
from adapters.engines.llamacpp import Lane, LlamaCpp, server
from adapters.engines.protocol import AdapterWeights, EngineError, Generation
from adapters.engines.pulse import Pulse
from tests.adapters.conftest import BASE_SHA256

pytestmark = pytest.mark.asyncio(loop_scope="session")

STYLE = "house-style@1"
LONG = "Count from one to one thousand, in words."


async def test_a_model_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    nowhere = LlamaCpp(
        gguf=tmp_path / "none.gguf", sha256="0" * 64, cache_folder=tmp_path, slots=1, context_tokens=256, threads=1
    )
    with pytest.raises(EngineError, match=r"cannot load .*none\.gguf"):
        await nowhere.open()


async def test_what_cannot_be_kept_is_named(
    gguf: Path, llamacpp: LlamaCpp, house_style: AdapterWeights, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("no folder")
    nowhere = llamacpp.model_copy(update={"cache_folder": tmp_path / "taken"})
    with pytest.raises(EngineError, match=rf"{gguf.name} cannot be kept: .*taken"):
        await nowhere.open()
    other = replace(house_style, name="other@1")
    with pytest.raises(EngineError, match=r"The adapter other@1 .* cannot be kept: .*taken"):
        await nowhere.load(other)


class Counting(Handoff[wire.Chunk]):
    """Counts what the thread still puts after the cancel."""

    late = 0

    def put(self, piece: wire.Chunk) -> None:
        self.late += self.cancelled.is_set()
        super().put(piece)


def started(
    lane: Lane, pool: ThreadPoolExecutor, text: str, max_tokens: int
) -> tuple[Counting, asyncio.Future[None]]:
    handoff = Counting(asyncio.get_running_loop())
    body = wire.request([HumanMessage(text)], (), Generation(max_tokens=max_tokens)) | {"return_progress": True}
    return handoff, lane.start(pool, body, handoff)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lane(gguf: Path) -> AsyncIterator[Lane]:
    opened = Lane(await asyncio.to_thread(server, gguf, None, 1, 2048, 2), None, Pulse())
    yield opened
    await opened.close()


async def test_a_cancelled_answer_stops_and_a_cancelled_waiting_one_never_starts(lane: Lane) -> None:
    with ThreadPoolExecutor(1) as pool:
        running, work = started(lane, pool, LONG, 1500)
        waiting, never = started(lane, pool, LONG, 1500)
        reading = wire.Reading()
        async for batch in running.batches(work):
            if reading.read(batch):
                waiting.cancelled.set()
                running.cancelled.set()
        await never
    assert reading.finish_reason is None
    assert running.late <= 2
    assert [batch async for batch in waiting.batches(never)] == []


async def test_a_long_prompt_is_not_read_to_its_end_once_cancelled(lane: Lane) -> None:
    reading = wire.Reading()
    with ThreadPoolExecutor(1) as pool:
        handoff, work = started(lane, pool, "where " * 1500, 5)
        async for batch in handoff.batches(work):
            handoff.cancelled.set()
            assert reading.read(batch) is None
    assert handoff.late <= 2


async def test_closing_the_stream_stops_the_answer(llamacpp: LlamaCpp) -> None:
    stream = llamacpp.astream([HumanMessage(LONG)], generation=Generation(max_tokens=900))
    async with aclosing(stream):  # type: ignore[type-var]
        await anext(stream)
        ((work, handoff),) = llamacpp._lanes[None]._running.items()
    await asyncio.wait([work])
    assert handoff.cancelled.is_set()
    reading = wire.Reading()
    reading.read([piece async for batch in handoff.batches(work) for piece in batch])
    assert reading.finish_reason is None


async def test_an_answer_that_ends_without_a_reason_is_an_error(llamacpp: LlamaCpp) -> None:
    """An exception where it hands over a token: llama.cpp stops there, and does not say so."""

    def broken(piece: wire.Chunk) -> None:
        raise RuntimeError("no room")

    stream = llamacpp.astream([HumanMessage(LONG)], generation=Generation(max_tokens=900))
    await anext(stream)
    (handoff,) = llamacpp._lanes[None]._running.values()
    handoff.put = broken  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="half-way without saying why"):
        [chunk async for chunk in stream]


async def test_a_thread_that_hangs_is_told_of_until_it_goes_on(llamacpp: LlamaCpp) -> None:
    impatient = llamacpp.model_copy(update={"silence_seconds": 0.1})
    going_on = threading.Event()
    stream = impatient.astream([HumanMessage(LONG)], generation=Generation(max_tokens=300))
    async with aclosing(stream):  # type: ignore[type-var]
        await anext(stream)
        ((work, handoff),) = impatient._lanes[None]._running.items()
        handoff.put = lambda _: going_on.wait(60)  # type: ignore[assignment, method-assign]
        state = "ok"
        while state == "ok":
            await asyncio.sleep(0.05)
            state = await impatient.state()
        going_on.set()
    await asyncio.wait([work])
    assert "no sign for" in state
    assert await impatient.state() == "ok"


async def test_closing_the_engine_ends_its_answers(gguf: Path, tmp_path: Path) -> None:
    engine = await LlamaCpp(
        gguf=gguf, sha256=BASE_SHA256, cache_folder=tmp_path, slots=1, context_tokens=1024, threads=2
    ).open()
    stream = engine.astream([HumanMessage(LONG)], generation=Generation(max_tokens=900))
    await anext(stream)
    closing = asyncio.create_task(engine.close())
    chunks = [chunk async for chunk in stream]
    await closing
    assert chunks[-1].response_metadata["finish_reason"] == "cancelled"
    with pytest.raises(EngineError, match="not open"):
        await anext(engine.astream([HumanMessage(LONG)]))
