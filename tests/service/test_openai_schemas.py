"""Parameters of OpenAI's API: honoured, ignored because they change nothing, or refused."""

from typing import Any

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from pydantic import ValidationError

from service.openai_schemas import CompletionRequest, Message

MESSAGES = [{"role": "user", "content": "When?"}]


def request(**parameters: Any) -> CompletionRequest:
    return CompletionRequest.model_validate({"model": "triptych", "messages": MESSAGES, **parameters})


@pytest.mark.parametrize("name", sorted(CompletionCreateParamsBase.__annotations__))
def test_every_parameter_that_openais_client_knows_has_a_decision(name: str) -> None:
    assert name in CompletionRequest.model_fields


@pytest.mark.parametrize("name", sorted(set(CompletionRequest.model_fields) - {"model", "messages", "triptych"}))
def test_null_is_the_same_as_absent(name: str) -> None:
    assert request(**{name: None}) == request()


def test_a_refusal_says_what_to_do() -> None:
    with pytest.raises(ValidationError, match="not supported here, and would change the answer; leave it out"):
        request(tools=[{"type": "function"}])


def test_text_may_come_in_parts_but_pictures_are_refused() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert Message.model_validate({"role": "user", "content": parts}).text == "one\ntwo"
    with pytest.raises(ValidationError):
        Message.model_validate({"role": "user", "content": [{"type": "image_url", "image_url": {}}]})


@pytest.mark.parametrize("role", ["tool", "function", "robot"])
def test_only_speakers_have_messages(role: str) -> None:
    with pytest.raises(ValidationError):
        Message.model_validate({"role": role, "content": "x"})
