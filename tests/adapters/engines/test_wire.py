import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from pydantic import ValidationError

from adapters.engines import wire
from adapters.engines.protocol import Generation

MESSAGES = [SystemMessage("Be brief."), HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("When?")]


def piece(text: str | None, **more: object) -> wire.Chunk:
    return {"choices": [{"delta": {"content": text}, "finish_reason": None} | more]}


def test_a_request_says_everything_that_decides_the_answer() -> None:
    generation = Generation(max_tokens=7, temperature=0.5, top_p=0.9, seed=3)
    assert wire.request(MESSAGES, (), generation) == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "When?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
    }


def test_stops_of_the_request_and_of_the_call_are_joined() -> None:
    assert wire.request(MESSAGES, ["END"], Generation(stop=("\n",)))["stop"] == ["\n", "END"]


def test_a_schema_and_log_probabilities_are_asked_for_only_where_wanted() -> None:
    schema = {"type": "object"}
    body = wire.request(MESSAGES, (), Generation(json_schema=schema, logprobs=4))
    assert body["response_format"]["json_schema"]["schema"] == schema
    assert (body["logprobs"], body["top_logprobs"]) == (True, 4)


def test_a_misspelt_value_is_refused() -> None:
    with pytest.raises(ValidationError):
        Generation(max_token=7)  # type: ignore[call-arg]


def test_chunks_become_one_text_and_what_the_last_ones_say_is_kept() -> None:
    reading = wire.Reading()
    read = reading.read([{"choices": [{"delta": {"role": "assistant"}}]}, piece("On "), piece("Mondays")])
    assert read is not None and read.text == "On Mondays"
    assert reading.read([piece(None, finish_reason="stop")]) is None
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
    assert reading.read([{"choices": [], "usage": usage, "timings": {"prompt_ms": 3.0}}]) is None
    assert reading.finish_reason == "stop"
    assert reading.timings == {"prompt_ms": 3.0}
    assert reading.usage_metadata() == wire.usage(9, 2, 4)


def test_a_server_that_counts_nothing_gives_no_usage() -> None:
    reading = wire.Reading()
    reading.read([piece("On Mondays"), {"choices": [], "usage": None}])
    assert reading.usage_metadata() is None


def test_null_is_taken_for_nothing() -> None:
    reading = wire.Reading()
    counts = {"prompt_tokens": None, "completion_tokens": None}
    last = {"choices": [{"delta": None, "finish_reason": "stop"}]}
    read = reading.read([piece("On Mondays"), {"choices": None}, last, {"choices": [], "usage": counts}])
    assert read is not None and read.text == "On Mondays"
    assert reading.finish_reason == "stop"
    assert reading.usage_metadata() is None
    reading.read([{"choices": [], "usage": {"total_tokens": 3}}])
    assert reading.usage_metadata() is None


def test_log_probabilities_come_with_the_text_they_belong_to() -> None:
    content = [{"token": "On", "logprob": -0.1, "top_logprobs": [{"token": "On", "logprob": -0.1, "id": 5}]}]
    read = wire.Reading().read([piece("On", logprobs={"content": content})])
    assert read is not None
    expected = [{"token": "On", "logprob": -0.1, "top": [["On", -0.1]]}]
    assert read.message.response_metadata == {"logprobs": expected}


def test_a_token_that_is_half_a_character_still_gives_its_log_probability() -> None:
    content = [{"token": "\ufffd", "logprob": -0.1, "top_logprobs": []}]
    read = wire.Reading().read([piece("", logprobs={"content": content})])
    assert read is not None and read.text == "" and len(read.message.response_metadata["logprobs"]) == 1


def test_the_last_chunk_tells_what_made_the_answer() -> None:
    last = wire.last_chunk(wire.usage(9, 2, 4), engine="llamacpp", adapter="style@1").message
    assert last.response_metadata == {"engine": "llamacpp", "adapter": "style@1"}
    assert isinstance(last, AIMessageChunk)
    assert last.usage_metadata == {
        "input_tokens": 9,
        "output_tokens": 2,
        "total_tokens": 11,
        "input_token_details": {"cache_read": 4},
    }
