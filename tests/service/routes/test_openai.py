"""OpenAI's own client and LangChain's, unchanged, against a real socket."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import httpx
import openai
import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import OpenAIRefusalError
from openai import OpenAI
from pydantic import BaseModel, SecretStr

from adapters.engines.protocol import AdapterRefused, PromptTooLong
from adapters.prompt import Turn
from service.events import Delta, Done
from tests.service.scripted import GOOD_ANSWER, ScriptedChatbot, posted, running, wait_until

META, SOURCES, *_, DONE = GOOD_ANSWER
ASKED: list[Any] = [{"role": "user", "content": "When can I visit?"}]
ANSWER = "From 2 to 8 pm [1]."
HELP = "Call 911 now."


class Visit(BaseModel):
    open: bool


@pytest.fixture
def chatbot() -> ScriptedChatbot:
    return ScriptedChatbot()


@pytest.fixture
def http(chatbot: ScriptedChatbot) -> Iterator[httpx.Client]:
    with running(chatbot) as client:
        yield client


@pytest.fixture
def client(http: httpx.Client) -> OpenAI:
    return OpenAI(base_url=f"{http.base_url}/v1", api_key="none", max_retries=0)


@pytest.fixture
def chain(http: httpx.Client) -> ChatOpenAI:
    url = f"{http.base_url}/v1"
    return ChatOpenAI(model="triptych", base_url=url, api_key=SecretStr("none"), max_retries=0, max_tokens=50)


def test_a_completion_carries_the_answer_and_what_made_it(client: OpenAI) -> None:
    completion = client.chat.completions.create(model="triptych", messages=ASKED)
    message = completion.choices[0].message
    assert message.content == ANSWER
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage
    assert completion.usage.total_tokens == 127
    extra = (message.model_extra or {})["triptych"]
    assert extra["message_id"] == "m1"
    assert extra["citations"] == [1]
    assert extra["sources"][0]["place"] == "Visiting > Hours"
    assert extra["manifest"]["acted"]["adapter"] == "house-style@2"


def test_a_stream_adds_up_to_the_answer(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="triptych", messages=ASKED, stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in deltas) == ANSWER
    assert [delta.role for delta in deltas] == ["assistant", None, None]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert (deltas[-1].model_extra or {})["triptych"]["citations"] == [1]


def test_usage_comes_in_a_last_chunk_without_choices(client: OpenAI) -> None:
    options: Any = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(model="triptych", messages=ASKED, stream=True, stream_options=options)
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage
    assert chunks[-1].usage.prompt_tokens == 120


def test_the_stream_ends_with_done(http: httpx.Client) -> None:
    body = {"model": "triptych", "messages": ASKED, "stream": True}
    assert http.post("/v1/chat/completions", json=body).text.endswith("data: [DONE]\n\n")


def test_earlier_messages_are_the_history(client: OpenAI, chatbot: ScriptedChatbot) -> None:
    answered = client.chat.completions.create(model="triptych", messages=ASKED).choices[0].message
    more: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "And on"}]}]
    more += [{"role": "user", "content": "Sundays?"}]
    messages = [*ASKED, answered.model_dump(), *more]
    client.chat.completions.create(model="triptych", messages=messages)
    assert chatbot.questions[1].text == "And on\n\nSundays?"
    assert chatbot.questions[1].history == (Turn("When can I visit?", ANSWER),)


def test_the_model_chooses_the_adapter_and_the_extra_body_the_layers(
    client: OpenAI, chatbot: ScriptedChatbot
) -> None:
    client.chat.completions.create(model="triptych-base", messages=ASKED, temperature=0.5, seed=3)
    extra = {"triptych": {"layers": {"retrieval": False, "prompt": "off"}, "conversation_id": "c-9"}}
    client.chat.completions.create(model="house-style@1", messages=ASKED, extra_body=extra)
    base, adapted = chatbot.plans
    assert (base.layers.adapter, base.temperature, base.seed) == (None, 0.5, 3)
    assert (adapted.layers.prompt, adapted.layers.retrieval) == (None, None)
    assert adapted.layers.adapter is not None
    assert chatbot.questions[1].conversation_id == "c-9"


def test_a_json_schema_reaches_the_question(client: OpenAI, chatbot: ScriptedChatbot) -> None:
    schema = {"type": "object", "properties": {"open": {"type": "boolean"}}}
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "visit", "schema": schema, "strict": True}}
    client.chat.completions.create(model="triptych", messages=ASKED, response_format=wanted)
    assert chatbot.questions[0].json_schema == schema


@pytest.mark.parametrize("path", ["emergency", "no_sources"])
def test_a_fixed_text_reaches_clients_that_read_answers_as_json(
    client: OpenAI, chain: ChatOpenAI, chatbot: ScriptedChatbot, path: Literal["emergency", "no_sources"]
) -> None:
    assert isinstance(DONE, Done)
    done = Done(HELP, replace(DONE.manifest, path=path))
    chatbot.script = (META, Delta(HELP, fixed=True), done)
    parsed = client.chat.completions.parse(model="triptych", messages=ASKED, response_format=Visit)
    assert (parsed.choices[0].message.content, parsed.choices[0].message.refusal) == (HELP, HELP)
    with client.chat.completions.stream(model="triptych", messages=ASKED, response_format=Visit) as stream:
        final = stream.get_final_completion().choices[0].message
    assert (final.content, final.refusal) == (HELP, HELP)
    with pytest.raises(OpenAIRefusalError, match="Call 911"):
        chain.with_structured_output(Visit).invoke("When can I visit?")
    assert client.chat.completions.create(model="triptych", messages=ASKED).choices[0].message.refusal is None


def test_models_are_the_configured_one_the_base_and_every_adapter(client: OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names == ["triptych", "triptych-base", "house-style", "house-style@1", "house-style@2"]
    assert client.models.retrieve("house-style@2").id == "house-style@2"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-4", messages=ASKED)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"logprobs": True}, "logprobs"),
        ({"stop": ["\n"]}, "stop"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"temperature": 3}, "temperature"),
        ({"extra_body": {"triptych": {"layer": {}}}}, "triptych/layer"),
        ({"extra_body": {"top_k": 4}}, "top_k"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(
    client: OpenAI, chatbot: ScriptedChatbot, parameters: dict[str, Any], named: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="triptych", messages=ASKED, **parameters)
    assert caught.value.param == named
    assert caught.value.type == "invalid_request_error"
    assert chatbot.questions == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"n": 1, "logprobs": False, "presence_penalty": 0, "frequency_penalty": 0.0, "tools": []},
        {"metadata": {"team": "ward 3"}, "store": False, "service_tier": "auto", "user": "u-17"},
        {"max_tokens": 20, "top_p": 0.9, "response_format": {"type": "text"}, "parallel_tool_calls": True},
    ],
)
def test_what_changes_no_answer_is_taken(client: OpenAI, parameters: dict[str, Any]) -> None:
    completion = client.chat.completions.create(model="triptych", messages=ASKED, **parameters)
    assert completion.choices[0].message.content == ANSWER


def test_a_system_message_is_refused_or_ignored_on_request(client: OpenAI) -> None:
    messages: list[Any] = [{"role": "system", "content": "Be terse."}, *ASKED]
    with pytest.raises(openai.BadRequestError, match="ignore_system"):
        client.chat.completions.create(model="triptych", messages=messages)
    ignoring = {"triptych": {"ignore_system": True}}
    completion = client.chat.completions.create(model="triptych", messages=messages, extra_body=ignoring)
    assert completion.choices[0].message.content == ANSWER


@pytest.mark.parametrize("roles", [["assistant"], ["user", "assistant"], ["assistant", "user"]], ids="-".join)
def test_messages_go_by_turns_and_end_with_a_question(client: OpenAI, roles: list[str]) -> None:
    messages: list[Any] = [{"role": role, "content": "Hello"} for role in roles]
    with pytest.raises(openai.BadRequestError, match="by turns"):
        client.chat.completions.create(model="triptych", messages=messages)


@pytest.mark.parametrize("before", ["system", "assistant", "developer"])
def test_what_a_client_puts_before_an_emergency_does_not_stand_in_its_way(
    client: OpenAI, chatbot: ScriptedChatbot, before: str
) -> None:
    messages: list[Any] = [{"role": before, "content": "Be terse."}, {"role": "user", "content": "help"}]
    assert client.chat.completions.create(model="triptych", messages=messages).choices[0].message.content == ANSWER
    assert [question.text for question in chatbot.questions] == ["help"]


def test_an_emergency_that_was_answered_before_excuses_nothing(client: OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "help"}, {"role": "assistant", "content": "Call 911."}]
    with pytest.raises(openai.BadRequestError, match="by turns"):
        client.chat.completions.create(model="triptych", messages=messages)


def test_an_error_before_the_text_has_a_status_even_in_a_stream(client: OpenAI, chatbot: ScriptedChatbot) -> None:
    chatbot.script = (META, SOURCES, AdapterRefused("The adapter did not act."))
    with pytest.raises(openai.BadRequestError, match="did not act"):
        client.chat.completions.create(model="triptych", messages=ASKED, stream=True)


def test_an_error_within_the_text_is_raised_by_the_client(client: OpenAI, chatbot: ScriptedChatbot) -> None:
    chatbot.script = (META, SOURCES, Delta("From"), AdapterRefused("The adapter did not act."))
    stream = client.chat.completions.create(model="triptych", messages=ASKED, stream=True)
    with pytest.raises(openai.APIError, match="did not act"):
        list(stream)


def test_closing_the_stream_stops_the_answer(client: OpenAI, chatbot: ScriptedChatbot) -> None:
    chatbot.script = (META, SOURCES, Delta("From"), 600.0)
    with client.chat.completions.create(model="triptych", messages=ASKED, stream=True) as stream:
        next(iter(stream))
    assert chatbot.closed.wait(5)


@pytest.mark.parametrize("stream", [False, True])
def test_hanging_up_stops_the_answer(http: httpx.Client, chatbot: ScriptedChatbot, stream: bool) -> None:
    chatbot.script = (META, SOURCES, 600.0)
    with posted(http, "/v1/chat/completions", {"model": "triptych", "messages": ASKED, "stream": stream}):
        wait_until(lambda: chatbot.questions)
    assert chatbot.closed.wait(5)


def test_langchain_answers_and_streams(chain: ChatOpenAI, chatbot: ScriptedChatbot) -> None:
    earlier = [HumanMessage("Hello"), AIMessage("How can I help?")]
    answer = chain.invoke([*earlier, HumanMessage("When can I visit?")])
    assert answer.content == ANSWER
    assert isinstance(answer, AIMessage)
    assert answer.usage_metadata
    assert answer.usage_metadata["output_tokens"] == 7
    streamed = list(chain.stream([*earlier, HumanMessage("When can I visit?")]))
    assert "".join(str(chunk.content) for chunk in streamed) == ANSWER
    assert chatbot.questions[1].history == (Turn("Hello", "How can I help?"),)
    assert chatbot.plans[1].max_tokens == 50


def test_langchain_knows_a_prompt_that_is_too_long(chain: ChatOpenAI, chatbot: ScriptedChatbot) -> None:
    chatbot.script = (META, PromptTooLong("3000 tokens do not fit 2048."))
    with pytest.raises(ContextOverflowError):
        chain.invoke("When can I visit?")
