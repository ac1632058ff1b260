from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from adapters.engines.langchain import LangChain, langchain_engine
from adapters.engines.protocol import AdapterRefused, AdapterWeights, EngineError, Generation

QUESTION = [HumanMessage("When are you open?")]


def engine(chat: BaseChatModel) -> LangChain:
    return LangChain(model="fake:model", chat=chat)


async def answer(chat: BaseChatModel, **values: Any) -> list[Any]:
    return [chunk async for chunk in engine(chat).astream(QUESTION, generation=Generation(**values))]


class Counting(BaseChatModel):
    """Counts the prompt in the first chunk and the answer in the last, and keeps what it was asked with."""

    asked: dict[str, Any] = {}

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.asked.update(kwargs, stop=stop)
        for text, counts in (("From ", (7, 0)), ("ten.", (0, 2))):
            usage = UsageMetadata(input_tokens=counts[0], output_tokens=counts[1], total_tokens=sum(counts))
            yield ChatGenerationChunk(message=AIMessageChunk(content=text, usage_metadata=usage))

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    @property
    def _llm_type(self) -> str:
        return "counting"


async def test_its_text_comes_piece_by_piece_with_a_last_chunk() -> None:
    chunks = await answer(GenericFakeChatModel(messages=iter([AIMessage("From ten to eight.")])))
    assert "".join(chunk.text for chunk in chunks) == "From ten to eight."
    assert len(chunks) > 2
    assert chunks[-1].content == ""
    assert chunks[-1].response_metadata["engine"] == "langchain"
    assert chunks[-1].response_metadata["base"] == "fake:model"
    assert chunks[-1].response_metadata["adapter"] is None


async def test_invoke_gives_the_whole_answer() -> None:
    message = await engine(FakeListChatModel(responses=["From ten."])).ainvoke(QUESTION, generation=Generation())
    assert message.content == "From ten."


async def test_the_counts_of_all_chunks_are_added() -> None:
    last = (await answer(Counting()))[-1]
    assert last.usage_metadata["input_tokens"] == 7
    assert last.usage_metadata["output_tokens"] == 2


async def test_the_requests_values_reach_the_model() -> None:
    chat = Counting(asked={})
    await answer(chat, temperature=0.4, max_tokens=9, stop=("END",))
    assert chat.asked == {"temperature": 0.4, "max_tokens": 9, "stop": ["END"]}


class Named(Counting):
    """As Ollama's: its values are fields under names of its own, and a call takes none."""

    temperature: float | None = None
    num_predict: int | None = None
    seed: int | None = None
    metadata_at_the_end: dict[str, Any] = {}

    async def _astream(  # type: ignore[override]
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.asked.update(temperature=self.temperature, num_predict=self.num_predict, seed=self.seed)
        async for chunk in super()._astream(messages, stop):
            yield chunk
        end = AIMessageChunk(content="", response_metadata=self.metadata_at_the_end)
        yield ChatGenerationChunk(message=end)


async def test_a_models_own_fields_take_the_values_of_one_request() -> None:
    chat = Named(asked={})
    await answer(chat, temperature=0.4, max_tokens=9, seed=3)
    assert chat.asked == {"temperature": 0.4, "num_predict": 9, "seed": 3, "stop": None}
    assert (chat.temperature, chat.num_predict, chat.seed) == (None, None, None)


async def test_what_the_model_has_no_field_for_is_refused_unless_it_changes_nothing() -> None:
    chat = Named(asked={})
    with pytest.raises(EngineError, match="Named takes no top_p"):
        await answer(chat, top_p=0.5)
    assert chat.asked == {}
    assert "".join(chunk.text for chunk in await answer(chat, top_p=1.0)) == "From ten."


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"finish_reason": "length"}, "length"),
        ({"finish_reason": "MAX_TOKENS"}, "length"),
        ({"stop_reason": "max_tokens"}, "length"),
        ({"done_reason": "length"}, "length"),
        ({"stop_reason": "refusal"}, "content_filter"),
        ({"stop_reason": "end_turn"}, "stop"),
        ({}, "stop"),
    ],
)
async def test_why_an_answer_ended_is_read_under_each_name(metadata: dict[str, Any], told: str) -> None:
    last = (await answer(Named(metadata_at_the_end=metadata)))[-1]
    assert last.response_metadata["finish_reason"] == told


async def test_an_adapter_is_refused_before_any_text() -> None:
    chat = Counting()
    with pytest.raises(AdapterRefused, match="cannot apply the adapter style@1"):
        await answer(chat, adapter="style@1")
    assert chat.asked == {}


async def test_adapters_can_be_neither_loaded_nor_unloaded() -> None:
    model = engine(Counting())
    with pytest.raises(AdapterRefused, match="style@1"):
        await model.load(AdapterWeights("style@1", "/nowhere", "a" * 64))
    with pytest.raises(AdapterRefused, match="style@1"):
        await model.unload("style@1")
    assert model.adapters() == ()


async def test_a_schema_is_refused_because_it_would_be_ignored() -> None:
    with pytest.raises(EngineError, match="JSON-schema"):
        await answer(Counting(), json_schema={"type": "object"})


@pytest.mark.parametrize("name", ["nonsense", "nobody:model"])
def test_a_model_that_langchain_does_not_know_is_named(name: str) -> None:
    with pytest.raises(EngineError, match=name):
        langchain_engine(name, {})


class Failing(Counting):
    """Its provider's library fails in the middle of an answer, and its message repeats what was asked."""

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        async for chunk in super()._astream(*args, **kwargs):
            yield chunk
            raise ConnectionResetError("while answering 'When are you open?' with key sk-123")


async def test_a_providers_error_is_told_by_its_kind_alone() -> None:
    with pytest.raises(EngineError, match=r"^The chat model 'fake:model' failed with ConnectionResetError\.$"):
        await answer(Failing())
