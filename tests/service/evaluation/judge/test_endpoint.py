"""The judge over a real socket: what it is sent, and what becomes of every kind of bad answer."""

from typing import Any

import pytest

from adapters.engines.protocol import EngineError, PromptTooLong
from service.evaluation.judge.aspects import reply_schema
from service.evaluation.judge.endpoint import CUT_OFF, WITHHELD, EndpointRefused, Reply, judge_of
from tests.service.evaluation.judge.judge_server import judging

SCHEMA = reply_schema(("refuses", "right"), "best first")


async def asked(url: str, key: str | None = None) -> Reply:
    judge = judge_of(url, "m", key)
    async with judge.client:
        return await judge.reply("Is it right?", SCHEMA)


async def test_it_is_asked_at_temperature_zero_for_a_schema() -> None:
    with judging() as server:
        reply = await asked(server.url, "the-key")
    assert (reply.text, reply.failed) == ('{"refuses": "yes", "right": "right"}', None)
    assert (reply.model, reply.prompt_tokens, reply.completion_tokens) == ("m", 100, 10)
    body = server.bodies[0]
    assert (body["temperature"], body["model"]) == (0, "m")
    assert body["messages"] == [{"role": "user", "content": "Is it right?"}]
    schema = {"name": "judgement", "strict": True, "schema": SCHEMA}
    assert body["response_format"] == {"type": "json_schema", "json_schema": schema}
    assert server.keys == ["Bearer the-key"]


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ({"finish_reason": "length"}, CUT_OFF),
        ({"finish_reason": "content_filter"}, WITHHELD),
        ({"refusal": "I will not."}, WITHHELD),
        ({"replies": [" "]}, WITHHELD),
    ],
)
async def test_a_reply_that_is_none_says_why(faults: dict[str, Any], reason: str) -> None:
    with judging(**faults) as server:
        assert (await asked(server.url)).failed == reason


async def test_an_endpoint_that_counts_no_tokens_is_taken_as_it_is() -> None:
    with judging(usage=False, answers_as="m-2026-01-01") as server:
        reply = await asked(server.url)
    assert (reply.model, reply.prompt_tokens, reply.completion_tokens) == ("m-2026-01-01", None, None)


@pytest.mark.parametrize(
    "error",
    [
        {"code": "context_length_exceeded"},
        {"message": "This model's maximum context length is 2048 tokens."},
    ],
)
async def test_what_is_too_long_is_told_apart(error: dict[str, Any]) -> None:
    with judging(status=400, error=error) as server, pytest.raises(PromptTooLong):
        await asked(server.url)


@pytest.mark.parametrize(
    "faults",
    [
        {"status": 401, "error": {"message": "no such key"}},
        {"status": 404, "error": {"message": "no such model"}},
        {"status": 400, "error": {"message": "temperature is not supported"}},
        {"raw": b"<html>Welcome</html>", "content_type": "text/html"},
        {"raw": b"{not json"},
        {"raw": b'{"choices": []}'},
        {"raw": b'{"hello": "world"}'},
        {"raw": b"[1, 2]"},
    ],
)
async def test_what_no_other_message_would_change_ends_it(faults: dict[str, Any]) -> None:
    with judging(**faults) as server, pytest.raises(EngineError, match=server.url) as caught:
        await asked(server.url)
    assert not isinstance(caught.value, PromptTooLong)
    assert faults.get("error", {}).get("message", "") in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000", "ftp://host/v1", "http://", "http://me:secret@host/v1", "https://host/v1?key=secret"],
)
def test_an_address_that_is_none_or_holds_a_key_is_refused(url: str) -> None:
    with pytest.raises(EndpointRefused) as caught:
        judge_of(url, "m", None)
    assert "secret" not in str(caught.value)
