"""One answer's pieces on their way from a generating thread to the event loop."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Handoff(Generic[T]):
    """The thread puts pieces and looks at `cancelled`; the loop reads all that has come at once.

    It has no bound of its own: one answer's `max_tokens` bounds it, and a slow reader gets fewer, longer batches.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.cancelled = threading.Event()
        self._loop = loop
        self._arrived = asyncio.Event()
        self._pieces: deque[T] = deque()

    def put(self, piece: T) -> None:
        self._pieces.append(piece)
        self._loop.call_soon_threadsafe(self._arrived.set)

    async def batches(self, work: asyncio.Future[None]) -> AsyncIterator[list[T]]:
        """All pieces until `work`, the thread's future, is done; then its exception, if it has one."""
        work.add_done_callback(lambda _: self._arrived.set())
        while not work.done() or self._pieces:
            await self._arrived.wait()
            self._arrived.clear()
            if batch := [self._pieces.popleft() for _ in range(len(self._pieces))]:
                yield batch
        work.result()
