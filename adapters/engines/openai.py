"""Any OpenAI-compatible server, such as vLLM; an adapter is a model name there."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

import openai
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from openai import AsyncOpenAI
from pydantic import PrivateAttr

from adapters.engines import openai_lora, probe, wire
from adapters.engines.openai_lora import SharedFolder
from adapters.engines.protocol import (
    AdapterRefused,
    AdapterWeights,
    Engine,
    EngineBusy,
    EngineError,
    Generation,
    PromptTooLong,
)

# Less than the five seconds for which docker-compose.yml's health check waits for /ready: it shall hear why.
STATE_SECONDS = 3.0

# What the client and Reading raise where a line is no JSON, no UTF-8, or of another shape.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)


class OpenAIServer(Engine):
    """`model` is the base's name on the server, `served` gives the server's name of each NAME@VERSION that it has
    from its start; the others it is told to load from the `shared` folder, if there is one.

    `sha256` is the hash of the base's weights as the configuration states it: a server does not tell.
    A server that ignores the adapter is found out at `load`: the adapter has to move the probe.
    """

    kind: ClassVar[str] = "openai"

    client: AsyncOpenAI
    model: str
    sha256: str
    served: Mapping[str, str]
    shared: SharedFolder | None = None

    _loaded: dict[str, AdapterWeights] = PrivateAttr(default_factory=dict)
    _loading_again: asyncio.Lock = PrivateAttr(default_factory=asyncio.Lock)
    _base_names: set[str] = PrivateAttr(default_factory=set)

    @property
    def base(self) -> str:
        return self.sha256

    def adapters(self) -> tuple[str, ...]:
        return tuple(self._loaded)

    async def load(self, adapter: AdapterWeights) -> None:
        await self._serve(adapter)
        try:
            await self._check_acts(adapter)
        except EngineError:
            await self._drop(adapter)
            raise
        self._loaded[adapter.name] = adapter

    def _name(self, adapter: AdapterWeights) -> str:
        """The server's."""
        return self.served.get(adapter.name) or openai_lora.server_name(adapter)

    async def _serve(self, adapter: AdapterWeights) -> None:
        """The server has the adapter, or is told to load it."""
        if adapter.name in self.served:
            await self._check_listed(adapter.name, self._name(adapter))
            return
        if self.shared is None:
            raise AdapterRefused(
                f"No server model is named for the adapter {adapter.name}: serve it there (vLLM: "
                "--lora-modules) and name it under engine.openai.adapters, or give both a folder under "
                "engine.openai.shared."
            )
        await openai_lora.load(self.client, adapter, self.shared)

    async def _check_listed(self, adapter: str, name: str) -> None:
        names = await openai_lora.listed(self.client)
        if name not in names:
            raise AdapterRefused(
                f"The server at {self.client.base_url} does not serve {name!r} for the adapter {adapter}; it "
                f"serves {', '.join(names) or 'nothing'}."
            )

    async def _check_acts(self, adapter: AdapterWeights) -> None:
        base = await probe.first_token(self._answer(None, probe.MESSAGES, (), probe.GENERATION))
        top = await probe.first_token(self._answer(adapter, probe.MESSAGES, (), probe.GENERATION))
        # The server's base may be of other bits than the one that the card's probe was read on.
        probe.check_acts(adapter.name, base, top)

    async def unload(self, name: str) -> None:
        if (adapter := self._loaded.pop(name, None)) is not None:
            await self._drop(adapter)

    async def _drop(self, adapter: AdapterWeights) -> None:
        """From the server, too, unless it has the adapter from its start."""
        if adapter.name not in self.served:
            await openai_lora.drop(self.client, self._name(adapter))

    async def close(self) -> None:
        await self.client.close()

    async def state(self) -> str:
        try:
            await self.client.with_options(timeout=STATE_SECONDS, max_retries=0).models.list()
        except (openai.RateLimitError, openai.NotFoundError):
            # Busy is not broken, and a server may answer that lists nothing.
            return "ok"
        except openai.OpenAIError as error:
            # Without its text, which may hold a part of the key.
            return f"the model server does not answer ({type(error).__name__})"
        return "ok"

    def _streamed(
        self, messages: Sequence[BaseMessage], stop: Sequence[str], generation: Generation
    ) -> AsyncIterator[ChatGenerationChunk]:
        self._check_loaded(generation.adapter)
        adapter = self._loaded[generation.adapter] if generation.adapter is not None else None
        return self._found(adapter, messages, stop, generation)

    async def _found(
        self,
        adapter: AdapterWeights | None,
        messages: Sequence[BaseMessage],
        stop: Sequence[str],
        generation: Generation,
    ) -> AsyncGenerator[ChatGenerationChunk]:
        """A server that was started anew has lost what it was told to load: it is told again, once."""
        try:
            async with aclosing(self._answer(adapter, messages, stop, generation)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        except ModelGone:
            if adapter is None or adapter.name in self.served:
                raise
        # One at a time: the second one finds what the first has loaded.
        async with self._loading_again:
            await self.load(adapter)
        async with aclosing(self._answer(adapter, messages, stop, generation)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _answer(
        self,
        adapter: AdapterWeights | None,
        messages: Sequence[BaseMessage],
        stop: Sequence[str],
        generation: Generation,
    ) -> AsyncGenerator[ChatGenerationChunk]:
        reading, name = wire.Reading(), self._name(adapter) if adapter else self.model
        async with aclosing(self._texts(reading, name, wire.request(messages, stop, generation))) as texts:
            async for text in texts:
                yield text
        if reading.finish_reason is None:
            raise EngineError(f"The model server at {self.client.base_url} broke its answer off.")
        yield wire.last_chunk(
            reading.usage_metadata(),
            engine=self.kind,
            base=self.base,
            adapter=adapter.name if adapter else None,
            finish_reason=reading.finish_reason,
            answered_as=reading.model,
            timings={},
        )

    async def _texts(
        self, reading: wire.Reading, name: str, request: dict[str, Any]
    ) -> AsyncGenerator[ChatGenerationChunk]:
        """What the server streams, as it is read. Raises EngineError, whatever it sends."""
        try:
            stream = await self.client.chat.completions.create(model=name, **request)
            async with stream:
                async for chunk in stream:
                    await self._check_model(chunk.model, name)
                    # Not with warnings: they would repeat what a server sent.
                    if text := reading.read([chunk.model_dump(warnings=False)]):
                        yield text
        except openai.OpenAIError as error:
            raise translated(error, str(self.client.base_url)) from error
        except UNREADABLE as error:
            # Only the kind: the error's text repeats what was sent.
            raise EngineError(
                f"The model server at {self.client.base_url} sent what is no part of an answer "
                f"({type(error).__name__}); see that it speaks OpenAI's format."
            ) from error

    async def _check_model(self, answered: str | None, asked: str) -> None:
        """A server that answers from another model than asked would answer from the wrong layers.

        The base may have several names: asked for gpt-4o, OpenAI answers as gpt-4o-2024-08-06. No adapter's is one.
        """
        if not answered or answered == asked or (asked == self.model and answered in self._base_names):
            return
        if asked != self.model or answered in await self._adapter_names():
            raise AdapterRefused(f"The server answered from the model {answered!r}, asked was {asked!r}.")
        # So that the server is asked for its adapters once, and not for each answer.
        self._base_names.add(answered)

    async def _adapter_names(self) -> set[str]:
        ours = {self._name(adapter) for adapter in self._loaded.values()}
        return {*self.served.values(), *ours, *await openai_lora.listed_adapters(self.client)}


class ModelGone(EngineError):
    """The server has no model of that name; nothing was generated."""


def translated(error: openai.OpenAIError, url: str) -> EngineError:
    if isinstance(error, openai.RateLimitError):
        return EngineBusy(f"The model server at {url} is busy; try again later.")
    # OpenAI has a code for it, vLLM only words.
    if isinstance(error, openai.BadRequestError) and (
        error.code == "context_length_exceeded" or "context length" in str(error)
    ):
        return PromptTooLong(f"The model server at {url} refused the prompt's length: {error}")
    kind = ModelGone if isinstance(error, openai.NotFoundError) else EngineError
    return kind(f"The model server at {url} failed: {error}")
