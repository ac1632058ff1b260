"""Requests in OpenAI's form, as Triptych's questions and switches."""

from typing import Any

import pytest

from adapters.prompt import Turn
from service.completions import Completion, overrides, question
from service.errors import InvalidRequest
from service.events import Done
from service.openai_schemas import CompletionRequest
from service.plan import Layers, Manifest


def body(**values: Any) -> CompletionRequest:
    messages = values.pop("messages", [{"role": "user", "content": "When?"}])
    return CompletionRequest(**{"model": "triptych", "messages": messages, **values})


def said(*texts: str) -> list[dict[str, str]]:
    """Messages of user and assistant by turns."""
    roles = ("user", "assistant")
    return [{"role": roles[index % 2], "content": text} for index, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("model", "adapter"),
    [("triptych", None), ("triptych-base", "off"), ("house-style", "house-style"), ("a@2", "a@2")],
)
def test_the_model_is_the_adapter(model: str, adapter: str | None) -> None:
    assert overrides(body(model=model)).adapter == adapter


def test_two_words_on_the_adapter_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="both choose an adapter"):
        overrides(body(model="triptych-base", triptych={"layers": {"adapter": True}}))


def test_both_names_of_the_token_limit_are_known() -> None:
    assert overrides(body(max_tokens=5)).max_tokens == 5
    assert overrides(body(max_tokens=5, max_completion_tokens=6)).max_tokens == 6


def test_all_turns_but_the_last_are_history() -> None:
    asked = question(body(messages=said("one", "two", "three", "four", "five")))
    assert asked.text == "five"
    assert asked.history == (Turn("one", "two"), Turn("three", "four"))


def test_an_answer_that_was_left_empty_is_still_a_turn() -> None:
    assert question(body(messages=said("one", "", "two"))).history == (Turn("one", ""),)


def test_a_blank_question_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="blank"):
        question(body(messages=said("one", "two", "  ")))


@pytest.mark.parametrize(
    ("wanted", "schema"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "json_schema", "json_schema": {"schema": {"type": "array"}}}, {"type": "array"}),
    ],
)
def test_a_response_format_is_a_schema_or_none(
    wanted: dict[str, Any] | None, schema: dict[str, Any] | None
) -> None:
    assert question(body(response_format=wanted)).json_schema == schema


@pytest.mark.parametrize(
    ("ended", "told"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "content_filter"), ("cancelled", "stop")],
)
def test_why_an_answer_ended_is_told_in_openais_words(ended: str, told: str) -> None:
    nothing = Layers(None, None, None)
    completion = Completion(body())
    manifest = Manifest(nothing, nothing, {}, "model", "openai", "0" * 64, finish_reason=ended)
    completion.transcript.add(Done("From ten.", manifest))
    assert completion.finish_reason() == told
