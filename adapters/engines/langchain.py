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

ALWAYS = frozenset({"temperature", "max_tokens"})
FIELDS = {
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens", "num_predict", "max_output_tokens"),
    "top_p": ("top_p",),
    "seed": ("seed", "random_seed"),
}
FINISH = ("finish_reason", "stop_reason", "done_reason")
ENDS = {
    **dict.fromkeys(("length", "max_tokens", "model_length", "model_context_window_exceeded"), "length"),
    **dict.fromkeys(("content_filter", "refusal", "safety"), "content_filter"),
}


def langchain_engine(model: str, options: Mapping[str, Any]) -> "LangChain":
    """The engine of `init_chat_model(model, **options)`. Raises EngineError where that fails."""
    try:
        return LangChain(model=model, chat=cast(BaseChatModel, init_chat_model(model, **options)))
    except (ValueError, ImportError) as error:
        raise EngineError(f"LangChain cannot make the chat model {model!r}: {error}") from error


class LangChain(Engine):
    """`chat` answers; sampling goes to it under the names that it has for it."""

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
            finish = finish_of(chunk.response_metadata) or finish
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
        fields, by_call = sampling(self.chat, generation)
        chat = self.chat.model_copy(update=fields)
        try:
            async for chunk in chat.astream(messages, stop=stops or None, **by_call):
                yield chunk
        except Exception as error:
            # Only the kind: a provider's message may hold the prompt, or a key.
            raise EngineError(f"The chat model {self.model!r} failed with {type(error).__name__}.") from error


def sampling(chat: BaseChatModel, generation: Generation) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values as fields of the model, and those that it has no field for, to be given with the call.

    Integrations name their fields differently, and a call may not take what a field does. `top_p` and `seed` go
    only where a request changes them: some providers refuse them. Raises EngineError where they have no field.
    """
    changed = generation.model_dump(include=set(FIELDS), exclude_defaults=True)
    wanted = generation.model_dump(include=set(ALWAYS)) | changed
    fields = {name: field for name in wanted if (field := field_of(chat, name))}
    if without := wanted.keys() - fields.keys() - ALWAYS:
        raise EngineError(f"The chat model {type(chat).__name__} takes no {min(without)}; leave it as it is.")
    by_call = {name: value for name, value in wanted.items() if name not in fields}
    return {field: wanted[name] for name, field in fields.items()}, by_call


def field_of(chat: BaseChatModel, name: str) -> str | None:
    return next((field for field in FIELDS[name] if field in type(chat).model_fields), None)


def finish_of(metadata: Mapping[str, Any]) -> str | None:
    """Why the answer ended, by the names of OpenAI, Anthropic, Ollama and Gemini; None where it goes on."""
    told = next((str(metadata[name]) for name in FINISH if metadata.get(name)), None)
    return ENDS.get(told.lower(), "stop") if told else None
