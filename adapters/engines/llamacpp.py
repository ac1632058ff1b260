"""llama.cpp in this process: one lane for the base and one for each adapter."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from pydantic import PrivateAttr

from adapters.convert import lora_gguf
from adapters.engines import probe, wire
from adapters.engines.handoff import Handoff
from adapters.engines.llamacpp_base import served_gguf
from adapters.engines.protocol import (
    AdapterRefused,
    AdapterWeights,
    Engine,
    EngineError,
    Generation,
    PromptTooLong,
)
from adapters.engines.pulse import Pulse
from adapters.header import kept_header
from ingest.models import ModelError

# Cancelling is seen between batches: half a second of prefill at most, at no measured cost.
BATCH_TOKENS = 256

# llama.cpp's defaults reshape the distribution; these leave it as the request says.
NEUTRAL_SAMPLING = {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0}


class Lane:
    """A server with its adapter fixed at construction: its slots and key-value cache never see another one.

    (One server with an adapter by request reuses the key-value cache across adapters, without an error.)
    """

    def __init__(self, server: Any, adapter: str | None, pulse: Pulse) -> None:
        self.adapter = adapter
        self._server = server
        self._pulse = pulse
        self._running: dict[asyncio.Future[None], Handoff[wire.Chunk]] = {}

    def start(
        self, pool: ThreadPoolExecutor, body: dict[str, Any], handoff: Handoff[wire.Chunk]
    ) -> asyncio.Future[None]:
        work = asyncio.get_running_loop().run_in_executor(pool, self._generate, body, handoff)
        self._running[work] = handoff
        self._pulse.owe(work)
        work.add_done_callback(self._running.pop)
        return work

    def _generate(self, body: dict[str, Any], handoff: Handoff[wire.Chunk]) -> None:
        def take(chunk: wire.Chunk) -> bool:
            self._pulse.beat()
            handoff.put(chunk)
            return handoff.cancelled.is_set()

        if handoff.cancelled.is_set():
            return
        try:
            self._server.handle_chat_completions(body, take)
        except (ValueError, RuntimeError) as error:
            raise EngineError(f"llama.cpp refused the request: {error}") from error

    def cancel(self) -> None:
        for handoff in self._running.values():
            handoff.cancelled.set()

    async def close(self) -> None:
        """Let running answers finish, then free the server and its memory."""
        if self._running:
            await asyncio.wait(self._running)
        await asyncio.to_thread(self._free)

    def _free(self) -> None:
        self._server = None


class LlamaCpp(Engine):
    """A GGUF model and LoRA adapters; `cache_folder` is for the adapters' GGUF files.

    `slots` answers are generated at the same time, each in `context_tokens` for prompt and answer.
    Without `cache_prompt`, a request always reads its whole prompt anew. Where answers are owed and nothing comes
    for `silence_seconds`, `state` says so.
    """

    kind: ClassVar[str] = "llamacpp"

    gguf: Path
    sha256: str
    cache_folder: Path
    slots: int
    context_tokens: int
    threads: int
    cache_prompt: bool = True
    silence_seconds: float = 60

    _served: Path = PrivateAttr()
    _lanes: dict[str | None, Lane] = PrivateAttr(default_factory=dict)
    _pool: ThreadPoolExecutor = PrivateAttr()
    _base_top: probe.Top = PrivateAttr()
    _pulse: Pulse = PrivateAttr(default_factory=Pulse)

    async def open(self) -> "LlamaCpp":
        """Load the base. Raises EngineError."""
        try:
            self._served = await asyncio.to_thread(served_gguf, self.gguf, self.sha256, self.cache_folder)
        except ModelError as error:
            raise EngineError(f"llama.cpp cannot load {self.gguf}: {error}") from error
        except OSError as error:
            raise EngineError(f"What llama.cpp reads of {self.gguf} cannot be kept: {error}") from error
        self._pool = ThreadPoolExecutor(self.slots, thread_name_prefix="llamacpp")
        self._lanes[None] = lane = Lane(await asyncio.to_thread(self._server, None), None, self._pulse)
        self._base_top = await probe.first_token(self._answer(lane, probe.MESSAGES, (), probe.GENERATION))
        return self

    @property
    def base(self) -> str:
        return self.sha256

    def adapters(self) -> tuple[str, ...]:
        return tuple(name for name in self._lanes if name is not None)

    async def load(self, adapter: AdapterWeights) -> None:
        if adapter.name in self._lanes:
            return
        lane = Lane(await asyncio.to_thread(self._server, adapter), adapter.name, self._pulse)
        try:
            top = await probe.first_token(self._answer(lane, probe.MESSAGES, (), probe.GENERATION))
            probe.check(adapter, self._base_top, top)
        except EngineError:
            await lane.close()
            raise
        self._lanes[adapter.name] = lane

    async def unload(self, name: str) -> None:
        if lane := self._lanes.pop(name, None):
            await lane.close()

    async def close(self) -> None:
        lanes = list(self._lanes.values())
        self._lanes.clear()
        for lane in lanes:
            lane.cancel()
        for lane in lanes:
            await lane.close()
        self._pool.shutdown()

    async def state(self) -> str:
        return self._pulse.state(self.silence_seconds)

    def _server(self, adapter: AdapterWeights | None) -> Any:
        if adapter is None:
            return server(self._served, None, self.slots, self.context_tokens, self.threads)
        lora = self.cache_folder / f"{adapter.sha256}-{self.sha256[:16]}.gguf"
        try:
            lora_gguf(Path(adapter.folder), kept_header(self.gguf, self.sha256, self.cache_folder), lora)
            return server(self._served, lora, self.slots, self.context_tokens, self.threads)
        except (EngineError, ValueError) as error:
            raise AdapterRefused(f"The adapter {adapter.name} cannot be put on this base: {error}") from error
        except OSError as error:
            raise EngineError(f"The adapter {adapter.name} as a GGUF file cannot be kept: {error}") from error

    def _streamed(
        self, messages: Sequence[BaseMessage], stop: Sequence[str], generation: Generation
    ) -> AsyncIterator[ChatGenerationChunk]:
        return self._answer(self._lane(generation.adapter), messages, stop, generation)

    def _lane(self, adapter: str | None) -> Lane:
        if None not in self._lanes:
            raise EngineError("The engine is not open; call open() first, and nothing after close().")
        self._check_loaded(adapter)
        return self._lanes[adapter]

    async def _answer(
        self, lane: Lane, messages: Sequence[BaseMessage], stop: Sequence[str], generation: Generation
    ) -> AsyncIterator[ChatGenerationChunk]:
        body = wire.request(messages, stop, generation) | NEUTRAL_SAMPLING
        if generation.temperature == 0 and not generation.logprobs:
            # Sorting the whole vocabulary for a token that is already known costs a millisecond a token.
            body["top_k"] = 1
        body |= {"cache_prompt": self.cache_prompt, "return_progress": True}
        reading = wire.Reading()
        handoff: Handoff[wire.Chunk] = Handoff(asyncio.get_running_loop())
        try:
            async for chunks in handoff.batches(lane.start(self._pool, body, handoff)):
                check(chunks, self.context_tokens)
                if text := reading.read(chunks):
                    yield text
            if reading.finish_reason is None and not handoff.cancelled.is_set():
                # An exception where llama.cpp hands over a token ends an answer like a cancellation, in silence.
                raise EngineError("llama.cpp ended the answer half-way without saying why; ask again.")
        finally:
            handoff.cancelled.set()
        yield reading.last_chunk(engine=self.kind, base=self.base, adapter=lane.adapter)


def server(gguf: Path, lora: Path | None, slots: int, context_tokens: int, threads: int) -> Any:
    """A started llama.cpp server; blocks for the seconds that loading takes."""
    # Slow to import, and only this engine needs it.
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_parallel = slots
    params.n_ctx = slots * context_tokens
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads or len(os.sched_getaffinity(0))
    # A prompt cache beside the slots takes 8 GB by default.
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.fit_params = params.warmup = False
    # The server listens on the loopback interface; nobody gets in, and its log would hold people's text.
    params.api_keys = [secrets.token_hex(32)]
    params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = params.ui = False
    params.n_threads_http = 1
    params.verbosity = -1
    if lora is not None:
        adapter = xllamacpp.CommonAdapterLoraInfo()
        adapter.path, adapter.scale = str(lora), 1.0
        params.lora_adapters = [adapter]
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise EngineError(f"llama.cpp cannot load {lora or gguf}: {error}") from error


def check(chunks: Sequence[wire.Chunk], context_tokens: int) -> None:
    for error in (chunk["error"] for chunk in chunks if "error" in chunk):
        if error.get("type") == "exceed_context_size_error":
            raise PromptTooLong(
                f"The prompt has {error['n_prompt_tokens']} tokens, the context holds {context_tokens}. "
                "Show fewer passages or earlier turns, or raise engine.context_tokens."
            )
        raise EngineError(f"llama.cpp refused the request: {error['message']}")
