"""torch and PEFT: answers under mixed adapters in one batch; one thread owns the model, nobody else touches it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any, ClassVar

import torch
from langchain_core.messages import BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGenerationChunk
from pydantic import PrivateAttr

from adapters.base import load_model, load_tokenizer
from adapters.engines import probe, wire
from adapters.engines.handoff import Handoff
from adapters.engines.peft_batch import Batch
from adapters.engines.peft_model import Owned
from adapters.engines.peft_row import Row
from adapters.engines.protocol import AdapterWeights, Engine, EngineError, Generation
from adapters.engines.pulse import Pulse


class Peft(Engine):
    """The dequantised base in `folder`, and adapters; `slots` answers at the same time, the others wait.

    Without `cache_prompt`, a request always reads its whole prompt anew. Base and adapters never share a key-value
    cache. Where answers are owed and nothing comes for `silence_seconds`, `state` says so.
    """

    kind: ClassVar[str] = "peft"

    folder: Path
    sha256: str
    context_tokens: int
    slots: int
    cache_prompt: bool = True
    device: str = "cpu"
    silence_seconds: float = 60

    _pool: ThreadPoolExecutor | None = PrivateAttr(default=None)
    _owned: Owned = PrivateAttr()
    _batch: Batch = PrivateAttr()
    _stepping: bool = PrivateAttr(default=False)
    _loaded: dict[str, AdapterWeights] = PrivateAttr(default_factory=dict)
    _changing: asyncio.Lock = PrivateAttr(default_factory=asyncio.Lock)
    _running: dict[asyncio.Future[None], str | None] = PrivateAttr(default_factory=dict)
    _pulse: Pulse = PrivateAttr(default_factory=Pulse)

    async def open(self) -> "Peft":
        """Load the base. Raises EngineError for one that cannot answer in batches, and without the device."""
        check_device(self.device)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="peft-owner")
        self._owned = await self._run(self._load_base)
        self._batch = Batch(self._owned, self.slots, self.cache_prompt)
        return self

    def _load_base(self) -> Owned:
        dtype = torch.float32 if self.device == "cpu" else torch.bfloat16
        model = load_model(self.folder, dtype).to(self.device)
        return Owned(model, load_tokenizer(self.folder), self.context_tokens)

    async def _run(self, work: Any, *values: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._opened(), work, *values)

    def _opened(self) -> ThreadPoolExecutor:
        if self._pool is None:
            raise EngineError("The engine is not open; call open() first, and nothing after close().")
        return self._pool

    @property
    def base(self) -> str:
        return self.sha256

    def adapters(self) -> tuple[str, ...]:
        return tuple(self._loaded)

    async def load(self, adapter: AdapterWeights) -> None:
        async with self._changing:
            if adapter.name not in self._loaded:
                await self._run(self._owned.load, adapter)
                await self._check(adapter)
                self._loaded[adapter.name] = adapter

    async def _check(self, adapter: AdapterWeights) -> None:
        moved = probe.GENERATION.model_copy(update={"adapter": adapter.name})
        try:
            base = await probe.first_token(self._answer(probe.MESSAGES, (), probe.GENERATION))
            probe.check(adapter, base, await probe.first_token(self._answer(probe.MESSAGES, (), moved)))
        except Exception:
            # Whatever it was (torch's own errors come as they are): what was not seen to act does not stay.
            await self._run(self._drop, adapter.name)
            raise

    async def unload(self, name: str) -> None:
        async with self._changing:
            if self._loaded.pop(name, None):
                if answers := [work for work, adapter in self._running.items() if adapter == name]:
                    await asyncio.wait(answers)
                await self._run(self._drop, name)

    def _drop(self, name: str) -> None:
        self._batch.forget(name)
        self._owned.unload(name)

    async def close(self) -> None:
        """Running answers end with an error."""
        self._loaded.clear()
        if pool := self._pool:
            self._pool = None
            pool.submit(self._batch.fail, EngineError("The engine was closed while it made this answer."))
            await asyncio.to_thread(pool.shutdown)

    async def state(self) -> str:
        return self._pulse.state(self.silence_seconds)

    async def _streamed(
        self, messages: Sequence[BaseMessage], stop: Sequence[str], generation: Generation
    ) -> AsyncIterator[ChatGenerationChunk]:
        self._check_loaded(generation.adapter)
        if generation.json_schema is not None:
            raise EngineError("The engine 'peft' has no JSON-schema output; use openvino, llamacpp or openai.")
        async with aclosing(self._answer(messages, stop, generation)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _answer(
        self, messages: Sequence[BaseMessage], stop: Sequence[str], generation: Generation
    ) -> AsyncGenerator[ChatGenerationChunk]:
        wanted = generation.model_copy(update={"stop": (*generation.stop, *stop)})
        reading, handoff = wire.Reading(), Handoff[wire.Chunk](asyncio.get_running_loop())
        work = self._begun(Row(convert_to_openai_messages(messages), wanted, handoff))
        try:
            async for chunks in handoff.batches(work):
                if text := reading.read(chunks):
                    yield text
        finally:
            handoff.cancelled.set()
        yield reading.last_chunk(engine=self.kind, base=self.base, adapter=generation.adapter)

    def _begun(self, row: Row) -> asyncio.Future[None]:
        """Done when the answer has ended. Until then its adapter is not unloaded."""
        self._opened().submit(self._add, row)
        work = asyncio.wrap_future(row.done)
        self._running[work] = row.adapter
        self._pulse.owe(work)
        work.add_done_callback(self._running.pop)
        return work

    def _add(self, row: Row) -> None:
        self._batch.waiting.append(row)
        if not self._stepping:
            self._stepping = True
            self._step()

    def _step(self) -> None:
        """Between two steps the thread does what else was asked of it: loading, unloading, new answers."""
        self._stepping = self._batch.step()
        self._pulse.beat()
        if self._stepping and (pool := self._pool):
            pool.submit(self._step)


def check_device(device: str) -> None:
    """No silent fallback: whoever set a GPU would wait for answers of a CPU. Raises EngineError."""
    number = int(device.partition(":")[2] or 0)
    if device != "cpu" and number >= torch.cuda.device_count():
        raise EngineError(
            f"engine.device is {device}, and torch {torch.__version__} sees {torch.cuda.device_count()} GPUs here. "
            "Set it to cpu, or install torch with CUDA beside a driver that fits it."
        )
