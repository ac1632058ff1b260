"""OpenVINO GenAI: the base as a GGUF file, and one with each adapter merged into it, in a process of their own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGenerationChunk
from pydantic import PrivateAttr

from adapters.convert import ConversionError
from adapters.engines import probe, wire
from adapters.engines.openvino_process import Process
from adapters.engines.protocol import (
    AdapterRefused,
    AdapterWeights,
    Engine,
    EngineError,
    Generation,
    PromptTooLong,
)
from adapters.merge import merged_gguf
from ingest.models import ModelError


class OpenVINO(Engine):
    """A GGUF model and LoRA adapters; `cache_folder` is for the files with an adapter merged into the base.

    `slots` answers are generated at the same time, each in `context_tokens` for prompt and answer. Without
    `cache_prompt`, a request always reads its whole prompt anew. Base and adapters never share a key-value cache:
    each is a model of its own. (OpenVINO ignores an adapter on a model that it read from GGUF, and its prefix cache
    does not know adapters.)
    """

    kind: ClassVar[str] = "openvino"

    gguf: Path
    sha256: str
    cache_folder: Path
    slots: int
    context_tokens: int
    threads: int
    cache_prompt: bool = True

    _process: Process | None = PrivateAttr(default=None)
    _base_top: probe.Top = PrivateAttr()
    _loaded: list[str] = PrivateAttr(default_factory=list)

    async def open(self) -> "OpenVINO":
        """Load the base. Raises EngineError."""
        values = self.model_dump(include={"slots", "context_tokens", "threads", "cache_prompt"})
        self._process = process = await asyncio.to_thread(Process, values)
        try:
            base = await self._merged(None, f"{self.sha256[:16]}-base")
            await process.tell("open", model=None, path=str(base))
            self._base_top = await probe.first_token(self._answer(None, probe.MESSAGES, (), probe.GENERATION))
        except (EngineError, ModelError) as error:
            await self.close()
            raise EngineError(f"OpenVINO cannot load {self.gguf}: {error}") from error
        return self

    @property
    def base(self) -> str:
        return self.sha256

    def adapters(self) -> tuple[str, ...]:
        return tuple(self._loaded)

    async def load(self, adapter: AdapterWeights) -> None:
        if adapter.name in self._loaded:
            return
        try:
            merged = await self._merged(Path(adapter.folder), f"{self.sha256[:16]}-{adapter.sha256}")
        except ConversionError as error:
            raise AdapterRefused(f"The adapter {adapter.name} cannot be put on this base: {error}") from error
        await self._opened().tell("open", model=adapter.name, path=str(merged))
        try:
            top = await probe.first_token(self._answer(adapter.name, probe.MESSAGES, (), probe.GENERATION))
            probe.check_acts(adapter.name, self._base_top, top)
        except EngineError:
            await self._opened().tell("close", model=adapter.name)
            raise
        self._loaded.append(adapter.name)

    async def unload(self, name: str) -> None:
        if name not in self._loaded:
            return
        self._loaded.remove(name)
        await self._opened().tell("close", model=name)

    async def close(self) -> None:
        self._loaded.clear()
        if process := self._process:
            self._process = None
            await asyncio.to_thread(process.close)

    async def _merged(self, adapter: Path | None, name: str) -> Path:
        return await asyncio.to_thread(merged_gguf, adapter, self.gguf, self.cache_folder / f"{name}.q8_0.gguf")

    def _opened(self) -> Process:
        if self._process is None:
            raise EngineError("The engine is not open; call open() first, and nothing after close().")
        return self._process

    def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        *,
        generation: Generation = Generation(),
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        self._opened()
        self._check_loaded(generation.adapter)
        return self._answer(generation.adapter, messages, stop or (), generation)

    async def _answer(
        self, model: str | None, messages: Sequence[BaseMessage], stop: Sequence[str], generation: Generation
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = {
            "model": model,
            "messages": convert_to_openai_messages(messages),
            "stop": [*generation.stop, *stop],
            "logprobs": generation.logprobs > 0,
        } | generation.model_dump(include={"max_tokens", "temperature", "top_p", "seed", "json_schema"})
        reading = wire.Reading()
        # Only what generated says who did: were it silent, the answer would be void, not taken for what was asked.
        acted = "unknown"
        async with aclosing(self._opened().ask("answer", **request)) as replies:
            async for chunks in replies:
                self._check_length(chunks, generation.max_tokens)
                acted = chunks[-1].get("model", acted)
                if text := reading.read(chunks):
                    yield text
        yield reading.last_chunk(engine=self.kind, base=self.base, adapter=acted)

    def _check_length(self, chunks: Sequence[wire.Chunk], max_tokens: int) -> None:
        for chunk in chunks:
            if "too_long" in chunk:
                raise PromptTooLong(
                    f"The prompt has {chunk['too_long']} tokens and the answer may have {max_tokens}; the context "
                    f"holds {self.context_tokens}. Show fewer passages or raise engine.context_tokens."
                )
