"""The admin key, and the limit of a question."""

import pytest
from starlette.requests import Request

from service.deps import Limits, require_admin
from service.errors import InvalidRequest, Unauthorized

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


def test_a_question_may_be_as_long_as_the_limit() -> None:
    LIMITS.check_question("12345")
    with pytest.raises(InvalidRequest, match="5 characters, got 6"):
        LIMITS.check_question("123456")
