"""What every engine is: a LangChain chat model that also takes an adapter, or refuses it."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import AfterValidator, BaseModel, ConfigDict

# The engines that run the base from its file, on this machine.
EMBEDDED = frozenset({"openvino", "llamacpp", "peft"})

# Smaller values are 0 to engines that compute with 32 bits.
LEAST = 1e-6


class EngineError(RuntimeError):
    """Generation failed; the message says what to do."""


class AdapterRefused(EngineError):
    """The adapter asked for cannot act on this engine; nothing was generated without it."""


class PromptTooLong(EngineError):
    """The prompt and the answer do not fit the model's context."""


class EngineBusy(EngineError):
    """All places are taken; try again later."""


@dataclass(frozen=True, slots=True)
class AdapterWeights:
    """A verified adapter, ready to load. `name` is the immutable NAME@VERSION, `folder` holds PEFT's files.

    `probe` is what its card keeps of the probe, first tokens with their log probabilities; empty if it keeps none.
    """

    name: str
    folder: str
    sha256: str
    probe: tuple[tuple[str, float], ...] = ()


class Generation(BaseModel):
    """One request's values; immutable, so that no request can change another's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapter: str | None = None
    max_tokens: int = 200
    temperature: Annotated[float, AfterValidator(lambda value: 0.0 if value < LEAST else value)] = 0.0
    top_p: Annotated[float, AfterValidator(lambda value: max(value, LEAST))] = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    logprobs: int = 0


class Engine(BaseChatModel):
    """A chat model with adapters.

    `astream(messages, generation=Generation(...))` yields message chunks. Closing the iterator stops the
    generation. The last chunk has no text and carries `usage_metadata` and `response_metadata` with `engine`,
    `base` (hash), `adapter` (the name@version that acted, read from what generated, or None),
    `finish_reason` and `timings` (milliseconds). An adapter that cannot act raises `AdapterRefused`
    before any text.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    kind: ClassVar[str]

    @property
    @abstractmethod
    def base(self) -> str:
        """The SHA-256 of the base model's weights, or a server's name for it."""

    @abstractmethod
    def adapters(self) -> tuple[str, ...]:
        """The name@version of every adapter that can act now."""

    @abstractmethod
    async def load(self, adapter: AdapterWeights) -> None:
        """Make an adapter ready and see that it acts; raises `AdapterRefused`."""

    @abstractmethod
    async def unload(self, name: str) -> None:
        """Let running answers finish, then drop the adapter."""

    @abstractmethod
    async def close(self) -> None:
        """Stop generating and free the model."""

    async def state(self) -> str:
        """ "ok", or why nobody gets an answer now. Looked at every few seconds, also where nobody asks."""
        return "ok"

    def _check_loaded(self, adapter: str | None) -> None:
        if adapter is not None and adapter not in self.adapters():
            loaded = ", ".join(self.adapters()) or "none"
            raise AdapterRefused(f"The adapter {adapter} is not loaded; loaded: {loaded}.")

    @abstractmethod
    def _streamed(
        self, messages: Sequence[BaseMessage], stop: Sequence[str], generation: Generation
    ) -> AsyncIterator[ChatGenerationChunk]:
        """The chunks of an answer, as `astream` gives them; `stop` beside the generation's own."""

    def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        *,
        generation: Generation = Generation(),
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        return self._streamed(messages, stop or (), generation)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise EngineError("Engines are asynchronous: use ainvoke() or astream().")

    @property
    def _llm_type(self) -> str:
        return f"triptych-{self.kind}"
