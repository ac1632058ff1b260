"""OpenVINO GenAI: the base as a GGUF file, and one with each adapter merged into it, in a process of their own."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import ClassVar

from langchain_core.messages import BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGenerationChunk
from pydantic import PrivateAttr

from adapters.convert import ConversionError
from adapters.engines import probe, wire
from adapters.engines.openvino_process import Process, ended_unless_done
from adapters.engines.protocol import (
    AdapterRefused,
    AdapterWeights,
    Engine,
    EngineError,
    Generation,
    PromptTooLong,
)
from adapters.merge import kept_merged
from ingest.models import ModelError

logger = logging.getLogger(__name__)

# Of a longer prompt, the tokenizer that OpenVINO makes of a GGUF file keeps the last tokens, and tells nobody.
MOST_TOKENS = 8192


class OpenVINO(Engine):
    """A GGUF model and LoRA adapters; `cache_folder` is for the files with an adapter merged into the base.

    `slots` answers are generated at the same time, each in `context_tokens` for prompt and answer. Without
    `cache_prompt`, a request always reads its whole prompt anew. Base and adapters never share a key-value cache:
    each is a model of its own. (OpenVINO ignores an adapter on a model that it read from GGUF, and its prefix cache
    does not know adapters.) A generating process that owes answers and gives no sign for `silence_seconds` is
    killed, and another one takes over.
    """

    kind: ClassVar[str] = "openvino"

    gguf: Path
    sha256: str
    cache_folder: Path
    slots: int
    context_tokens: int
    threads: int
    cache_prompt: bool = True
    silence_seconds: float = 60

    _process: Process | None = PrivateAttr(default=None)
    _replacing: asyncio.Task[None] | None = PrivateAttr(default=None)
    _base_top: probe.Top = PrivateAttr()
    _loaded: dict[str, AdapterWeights] = PrivateAttr(default_factory=dict)

    async def open(self) -> "OpenVINO":
        """Load the base. Raises EngineError, also for a context of more than MOST_TOKENS."""
        if self.context_tokens > MOST_TOKENS:
            raise EngineError(
                f"OpenVINO reads only the last {MOST_TOKENS} tokens of a prompt, and engine.context_tokens is "
                f"{self.context_tokens}. Lower it to {MOST_TOKENS}, or set engine.kind to llamacpp or openai."
            )
        self._process = await self._started()
        return self

    @property
    def base(self) -> str:
        return self.sha256

    def adapters(self) -> tuple[str, ...]:
        return tuple(self._loaded)

    async def load(self, adapter: AdapterWeights) -> None:
        if adapter.name not in self._loaded:
            await self._add(await self._alive(), adapter)
            self._loaded[adapter.name] = adapter

    async def unload(self, name: str) -> None:
        if self._loaded.pop(name, None):
            await (await self._alive()).tell("close", model=name)

    async def close(self) -> None:
        self._loaded.clear()
        # First: from here on nobody replaces it.
        process, self._process = self._process, None
        if self._replacing:
            self._replacing.cancel()
            await asyncio.wait([self._replacing])
        if process:
            await asyncio.to_thread(process.close)

    async def state(self) -> str:
        process = self._opened()
        if process.ended:
            # From here, too: nobody sends a question to a service that is not ready.
            self._replacement()
            return f"the generating process ended with code {process.code}; another one starts"
        if process.hangs(self.silence_seconds / 2):
            return f"the generating process has given no sign for {process.silent:.0f} s"
        return "ok"

    async def _started(self) -> Process:
        """A new process with the base."""
        values = self.model_dump(include={"slots", "context_tokens", "threads", "cache_prompt"})
        process = Process(values, self.silence_seconds)
        with ended_unless_done(process):
            try:
                base = await self._merged()
                await process.tell("open", model=None, path=str(base))
                self._base_top = await self._first_token(process, None)
            except (EngineError, ModelError, OSError) as error:
                raise EngineError(f"OpenVINO cannot load {self.gguf}: {error}") from error
        return process

    async def _alive(self) -> Process:
        """The process; where it ended, another one with the same adapters, each through the probe again."""
        if self._opened().ended:
            replacing = self._replacement()
            # Who asked first may leave before it is ready: the others still wait for it.
            await asyncio.wait([replacing])
            if not replacing.cancelled():
                replacing.result()
        return self._opened()

    def _replacement(self) -> "asyncio.Task[None]":
        """What replaces the process that ended, started unless it is under way."""
        if self._replacing is None or self._replacing.done():
            logger.error("The generating process ended with code %s; another one starts.", self._opened().code)
            self._replacing = asyncio.create_task(self._replace())
            # It logs what fails; where nobody waits, asyncio would tell it a second time.
            self._replacing.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._replacing

    async def _replace(self) -> None:
        """Raises EngineError, and logs it: it may be that nobody waits."""
        try:
            process = await self._started()
            with ended_unless_done(process):
                for adapter in list(self._loaded.values()):
                    await self._add(process, adapter)
        except EngineError as error:
            logger.error("The generating process could not be replaced: %s", error)
            raise
        ended, self._process = self._opened(), process
        await asyncio.to_thread(ended.close)

    async def _add(self, process: Process, adapter: AdapterWeights) -> None:
        """Raises AdapterRefused, also where the answers show nothing of it."""
        try:
            merged = await self._merged(Path(adapter.folder), adapter.sha256)
        except ConversionError as error:
            raise AdapterRefused(f"The adapter {adapter.name} cannot be put on this base: {error}") from error
        except OSError as error:
            raise EngineError(f"The base with {adapter.name} merged into it cannot be kept: {error}") from error
        await process.tell("open", model=adapter.name, path=str(merged))
        try:
            probe.check(adapter, self._base_top, await self._first_token(process, adapter.name))
        except EngineError:
            await process.tell("close", model=adapter.name)
            raise

    async def _first_token(self, process: Process, model: str | None) -> probe.Top:
        return await probe.first_token(self._answer(process, model, probe.MESSAGES, (), probe.GENERATION))

    async def _merged(self, folder: Path | None = None, weights: str = "base") -> Path:
        return await asyncio.to_thread(kept_merged, self.gguf, self.sha256, self.cache_folder, folder, weights)

    def _opened(self) -> Process:
        if self._process is None:
            raise EngineError("The engine is not open; call open() first, and nothing after close().")
        return self._process

    async def _streamed(
        self, messages: Sequence[BaseMessage], stop: Sequence[str], generation: Generation
    ) -> AsyncIterator[ChatGenerationChunk]:
        process = await self._alive()
        self._check_loaded(generation.adapter)
        async with aclosing(self._answer(process, generation.adapter, messages, stop, generation)) as chunks:
            try:
                async for chunk in chunks:
                    yield chunk
            except EngineError:
                # At once: whoever asks next need not wait for all of it.
                if self._process and self._process.ended:
                    self._replacement()
                raise

    async def _answer(
        self,
        process: Process,
        model: str | None,
        messages: Sequence[BaseMessage],
        stop: Sequence[str],
        generation: Generation,
    ) -> AsyncGenerator[ChatGenerationChunk]:
        request = {
            "model": model,
            "messages": convert_to_openai_messages(messages),
            "stop": [*generation.stop, *stop],
            "logprobs": generation.logprobs > 0,
        } | generation.model_dump(include={"max_tokens", "temperature", "top_p", "seed", "json_schema"})
        reading = wire.Reading()
        # Only what generated says who did: were it silent, the answer would be void, not taken for what was asked.
        acted = "unknown"
        async with aclosing(process.ask("answer", **request)) as replies:
            async for chunks in replies:
                self._check_length(chunks, generation.max_tokens)
                acted = chunks[-1].get("model", acted)
                if text := reading.read(chunks):
                    yield text
        yield reading.last_chunk(engine=self.kind, base=self.base, adapter=acted)

    def _check_length(self, chunks: Sequence[wire.Chunk], max_tokens: int) -> None:
        for chunk in chunks:
            if "too_long" in chunk:
                or_more = " or more" if chunk["too_long"] == MOST_TOKENS else ""
                raise PromptTooLong(
                    f"The prompt has {chunk['too_long']}{or_more} tokens and the answer may have {max_tokens}; "
                    f"the context holds {self.context_tokens}. Show fewer passages or raise engine.context_tokens."
                )
