import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.engines.handoff import Handoff


def started(
    pool: ThreadPoolExecutor, work: Callable[[Handoff[int]], None]
) -> tuple[Handoff[int], asyncio.Future[None]]:
    loop = asyncio.get_running_loop()
    handoff: Handoff[int] = Handoff(loop)
    return handoff, loop.run_in_executor(pool, work, handoff)


async def test_every_piece_arrives_once_and_in_order() -> None:
    def work(handoff: Handoff[int]) -> None:
        for piece in range(5000):
            handoff.put(piece)

    with ThreadPoolExecutor(1) as pool:
        handoff, future = started(pool, work)
        assert [piece async for batch in handoff.batches(future) for piece in batch] == list(range(5000))


async def test_a_slow_reader_gets_what_has_come_meanwhile_at_once() -> None:
    def work(handoff: Handoff[int]) -> None:
        for piece in range(100):
            handoff.put(piece)

    with ThreadPoolExecutor(1) as pool:
        handoff, future = started(pool, work)
        await asyncio.wait([future])
        assert [len(batch) async for batch in handoff.batches(future)] == [100]


async def test_a_thread_that_puts_nothing_ends_the_reading() -> None:
    with ThreadPoolExecutor(1) as pool:
        handoff, future = started(pool, lambda _: None)
        assert [batch async for batch in handoff.batches(future)] == []


async def test_the_threads_error_comes_after_its_pieces() -> None:
    def work(handoff: Handoff[int]) -> None:
        handoff.put(1)
        raise ValueError("broke after one")

    read = []
    with ThreadPoolExecutor(1) as pool:
        handoff, future = started(pool, work)
        with pytest.raises(ValueError, match="broke after one"):
            async for batch in handoff.batches(future):
                read += batch
    assert read == [1]


async def test_the_thread_sees_that_it_is_cancelled() -> None:
    def work(handoff: Handoff[int]) -> None:
        handoff.put(1)
        assert handoff.cancelled.wait(30)

    with ThreadPoolExecutor(1) as pool:
        handoff, future = started(pool, work)
        async for _ in handoff.batches(future):
            handoff.cancelled.set()
        assert future.exception() is None
