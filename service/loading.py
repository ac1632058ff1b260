"""Adapters are loaded when they are first needed, one at a time, and only through the gate."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from adapters.engines.protocol import AdapterWeights, Engine


class AdapterShelf(Protocol):
    """Where adapters are kept. `verified` raises AdapterRefused for one that does not fit the engine's base."""

    def labels(self) -> frozenset[str]: ...

    def promoted(self) -> Mapping[str, str]: ...

    def verified(self, label: str, base: str) -> AdapterWeights: ...


class AdapterLoader:
    """Keeps what was loaded, so that an answer can name the hash of the weights that made it."""

    def __init__(self, shelf: AdapterShelf, engine: Engine) -> None:
        self.shelf = shelf
        self.engine = engine
        self.loaded: dict[str, AdapterWeights] = {}
        self.loading = asyncio.Lock()

    async def ready(self, label: str | None) -> AdapterWeights | None:
        """The weights of NAME@VERSION, loaded by now. Raises AdapterRefused."""
        if label is None:
            return None
        if label not in self.loaded:
            # Others wait for it, too: a caller who leaves does not stop it half-way.
            await asyncio.shield(asyncio.create_task(self.load(label)))
        return self.loaded[label]

    async def load(self, label: str) -> None:
        async with self.loading:
            if label not in self.loaded:
                weights = await asyncio.to_thread(self.shelf.verified, label, self.engine.base)
                await self.engine.load(weights)
                self.loaded[label] = weights
