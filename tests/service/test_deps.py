"""The admin key, and the limit of a question."""

from dataclasses import replace
from typing import Any

import pytest
from starlette.requests import Request

from service.deps import Limits, require_admin
from service.errors import InvalidRequest, Unauthorized
from tests.service.scripted import ScriptedChatbot

LIMITS = Limits(admin_key="the-key", heartbeat_seconds=1, max_question_characters=5)


def sending(authorization: bytes) -> Request:
    return Request({"type": "http", "headers": [(b"authorization", authorization)]})


@pytest.mark.parametrize("authorization", [b"Bearer the-key", b"bearer the-key", b"Bearer  the-key "])
def test_the_key_opens(authorization: bytes) -> None:
    require_admin(sending(authorization), LIMITS)


@pytest.mark.parametrize(
    "authorization",
    [b"", b"the-key", b"Bearer", b"Bearer the-ke", b"Bearer the-keyy", b"Basic the-key", b"Bearer \xff"],
)
def test_nothing_else_does(authorization: bytes) -> None:
    with pytest.raises(Unauthorized):
        require_admin(sending(authorization), LIMITS)


@pytest.mark.parametrize("authorization", [b"", b"Bearer", b"Bearer  ", b"Bearer x"])
def test_an_empty_key_opens_nothing_even_where_the_configured_one_is_empty(authorization: bytes) -> None:
    with pytest.raises(Unauthorized):
        require_admin(sending(authorization), replace(LIMITS, admin_key=""))


def test_a_question_may_be_as_long_as_the_limit() -> None:
    LIMITS.check_question("12345")
    with pytest.raises(InvalidRequest, match="5 characters, got 6"):
        LIMITS.check_question("123456")


async def test_of_a_long_text_the_part_that_asks_for_help_counts() -> None:
    chatbot: Any = ScriptedChatbot()
    assert await LIMITS.within("12345", chatbot) == "12345"
    assert await LIMITS.within("help me, my whole story is this", chatbot) == "help "
    assert await LIMITS.within("we parked and now help!", chatbot) == "help!"
    with pytest.raises(InvalidRequest, match="5 characters, got 6"):
        await LIMITS.within("123456", chatbot)
