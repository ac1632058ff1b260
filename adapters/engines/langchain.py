"""Any chat model that LangChain knows; without adapters."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, cast

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.outputs import ChatGenerationChunk

from adapters.engines import wire
from adapters.engines.protocol import (
    AdapterRefused,
    AdapterWeights,
    Engine,
    EngineError,
    Generation,
)


def langchain_engine(model: str, options: Mapping[str, Any]) -> "LangChain":
    """The engine of `init_chat_model(model, **options)`. Raises EngineError where that fails."""
    try:
        return LangChain(model=model, chat=cast(BaseChatModel, init_chat_model(model, **options)))
    except (ValueError, ImportError) as error:
        raise EngineError(f"LangChain cannot make the chat model {model!r}: {error}") from error


class LangChain(Engine):
    """`chat` answers; sampling goes to it under the names that LangChain's integrations share."""

    kind: ClassVar[str] = "langchain"

    model: str
    chat: BaseChatModel

    @property
    def base(self) -> str:
        return self.model

    def adapters(self) -> tuple[str, ...]:
        return ()

    async def load(self, adapter: AdapterWeights) -> None:
        raise self._refusal(adapter.name)

    async def unload(self, name: str) -> None:
        raise self._refusal(name)

    async def close(self) -> None:
        """The model behind the integration is not ours to stop."""

    def _refusal(self, name: str | None) -> AdapterRefused:
        return AdapterRefused(
            f"The engine 'langchain' ({self.model}) cannot apply the adapter {name}. Switch the adapter layer "
            "off, or use the engine llamacpp, peft or openai."
        )

    async def _streamed(
        self, messages: Sequence[BaseMessage], stop: Sequence[str], generation: Generation
    ) -> AsyncIterator[ChatGenerationChunk]:
        if generation.adapter is not None:
            raise self._refusal(generation.adapter)
        if generation.json_schema is not None:
            raise EngineError("The engine 'langchain' has no JSON-schema output; use openvino, llamacpp or openai.")
        usage: UsageMetadata | None = None
        finish, stops = "stop", [*generation.stop, *stop]
        async for chunk in self._chunks([*messages], stops, generation):
            finish = chunk.response_metadata.get("finish_reason") or finish
            # Some count the prompt in the first chunk and the answer in the last.
            usage = add_usage(usage, chunk.usage_metadata) if chunk.usage_metadata else usage
            if chunk.text:
                yield ChatGenerationChunk(message=AIMessageChunk(content=chunk.text))
        yield wire.last_chunk(
            usage, engine=self.kind, base=self.base, adapter=None, finish_reason=finish, timings={}
        )

    async def _chunks(
        self, messages: list[BaseMessage], stops: list[str], generation: Generation
    ) -> AsyncIterator[AIMessageChunk]:
        """The integration's own. Its errors are those of its provider's library, which share no class."""
        try:
            async for chunk in self.chat.astream(messages, stop=stops or None, **sampling(generation)):
                yield chunk
        except Exception as error:
            # Only the kind: a provider's message may hold the prompt, or a key.
            raise EngineError(f"The chat model {self.model!r} failed with {type(error).__name__}.") from error


def sampling(generation: Generation) -> dict[str, Any]:
    return {"temperature": generation.temperature, "max_tokens": generation.max_tokens}
