"""Adapters are loaded when they are first needed, one at a time, only through the gate, and only so many."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from langchain_core.messages import BaseMessage

from adapters.engines.protocol import AdapterWeights, Engine, EngineError, Generation


class AdapterShelf(Protocol):
    """Where adapters are kept. `verified` raises AdapterRefused for one that does not fit the engine's base."""

    def labels(self) -> frozenset[str]: ...

    def promoted(self) -> Mapping[str, str]: ...

    def verified(self, label: str, base: str) -> AdapterWeights: ...


class AdapterLoader:
    """Keeps what was loaded, so that an answer can name the hash of the weights that made it.

    Of more than `most`, the one that was not used for the longest time is unloaded, but none while it answers: then
    there are more for that long.
    `beginning` is what prompts begin with: a new adapter reads it into its cache before anybody waits for it.
    """

    def __init__(
        self, shelf: AdapterShelf, engine: Engine, most: int, beginning: Sequence[BaseMessage] = ()
    ) -> None:
        self.shelf = shelf
        self.engine = engine
        self.most = most
        self.beginning = list(beginning)
        # The one used last stands last.
        self.loaded: dict[str, AdapterWeights] = {}
        self.answering: Counter[str] = Counter()
        self.loading = asyncio.Lock()

    @asynccontextmanager
    async def held(self, label: str | None) -> AsyncIterator[AdapterWeights | None]:
        """The weights of NAME@VERSION, which stay loaded meanwhile. Raises AdapterRefused."""
        if label is None:
            yield None
            return
        # First, so that nothing unloads it from here on.
        self.answering[label] += 1
        try:
            if label not in self.loaded:
                # Others wait for it, too: a caller who leaves does not stop it half-way.
                await asyncio.shield(asyncio.create_task(self.load(label)))
            self.loaded[label] = self.loaded.pop(label)
            yield self.loaded[label]
        finally:
            self.answering[label] -= 1

    async def ready(self, label: str | None) -> AdapterWeights | None:
        """The weights of NAME@VERSION, loaded by now. Raises AdapterRefused."""
        async with self.held(label) as weights:
            return weights

    async def load(self, label: str) -> None:
        async with self.loading:
            if label not in self.loaded:
                weights = await asyncio.to_thread(self.shelf.verified, label, self.engine.base)
                await self.engine.load(weights)
                await self.read_ahead(label)
                self.loaded[label] = weights
                await self.unload_oldest(label)

    async def read_ahead(self, label: str) -> None:
        if not self.beginning:
            return
        try:
            await self.engine.ainvoke(self.beginning, generation=Generation(adapter=label, max_tokens=1))
        except EngineError:
            await self.engine.unload(label)
            raise

    async def unload_oldest(self, newest: str) -> None:
        # One at a time: while one is unloaded, another may begin to answer.
        while len(self.loaded) > self.most:
            idle = (label for label in self.loaded if label != newest and not self.answering[label])
            oldest = next(idle, None)
            if oldest is None:
                return
            del self.loaded[oldest]
            await self.engine.unload(oldest)
