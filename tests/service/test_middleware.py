"""What every response carries, and what no log line does."""

import logging
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from service.metrics import Metrics
from service.middleware import BodyLimit, LastResort, RequestLog
from tests.service.scripted import ScriptedChatbot, running, sent


@pytest.mark.parametrize("path", ["/health", "/", "/pages/app.js", "/nowhere", "/v1/models/none"])
def test_every_response_has_an_id_and_lets_nothing_be_loaded_or_kept(path: str) -> None:
    with running(ScriptedChatbot()) as client:
        headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert len(headers["x-request-id"]) == 32
    assert "server" not in headers


@pytest.mark.parametrize(
    ("given", "kept"), [("ward3-42", True), ("has blanks", False), ("a" * 65, False), ("é", False)]
)
def test_a_plain_request_id_is_kept(given: str, kept: bool) -> None:
    with running(ScriptedChatbot()) as client:
        response = client.get("/health", headers=[(b"X-Request-ID", given.encode())])
    assert (response.headers["x-request-id"] == given) is kept


def test_log_lines_have_the_route_but_no_text_of_people(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with running(ScriptedChatbot()) as client:
        client.post("/chat", json={"question": "Is Mrs Miller on ward 3?", "user": "miller"})
        client.post("/chat", json={"question": 5, "Miller": 1})
        client.get("/conversations/Miller?user=Miller")
        client.get("/v1/models/Miller")
        client.get("/Miller")
    lines = [record.getMessage() for record in caplog.records if record.name == "service.middleware"]
    assert [line.split()[:3] for line in lines] == [
        ["POST", "/chat", "200"],
        ["POST", "/chat", "422"],
        ["GET", "/conversations/{conversation_id}", "404"],
        ["GET", "/v1/models/{name}", "404"],
        ["GET", "other", "404"],
    ]
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("httpx")]
    assert "miller" not in "".join(ours).lower()


@pytest.mark.parametrize("length", [b"Content-Length: 5000", b"Transfer-Encoding: chunked"])
def test_a_body_over_the_limit_is_refused_while_it_arrives(length: bytes) -> None:
    head = b"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    first_part = b"7d0\r\n" + b" " * 2000 + b"\r\n"
    with running(ScriptedChatbot(), max_body_bytes=1000) as client:
        answer = sent(client, head + length + b"\r\n\r\n" + first_part)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"/problems/body-too-large" in answer


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError(scope["query_string"])


def test_an_unexpected_error_is_told_by_its_type_and_place_only(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    client = TestClient(RequestLog(LastResort(BodyLimit(broken, 10, {})), metrics))
    response = client.get("/chat?Miller")
    assert response.status_code == 500
    assert response.json()["type"] == "/problems/internal-error"
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert "RuntimeError" in caplog.text
    assert "in broken" in caplog.text
    assert "Miller" not in caplog.text + response.text
    assert 'status="500"' in metrics.text().decode()


async def test_an_answer_that_breaks_half_way_is_not_answered_a_second_time() -> None:
    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("half-way")

    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    with pytest.raises(RuntimeError, match="half-way"):
        await LastResort(half)({"type": "http"}, nothing, send)
    assert [message["type"] for message in messages] == ["http.response.start"]


async def test_a_body_in_small_parts_is_counted_as_a_whole() -> None:
    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass

    def in_parts(*sizes: int) -> Receive:
        parts = iter(sizes)

        async def receive() -> Message:
            size = next(parts)
            return {"type": "http.request", "body": b"x" * size, "more_body": size > 0}

        return receive

    limited = BodyLimit(reading, 10, {})
    scope: Scope = {"type": "http", "path": "/chat", "headers": []}
    await limited(scope, in_parts(4, 4, 2, 0), nothing)
    with pytest.raises(HTTPException, match="may have 10 bytes, got 11"):
        await limited(scope, in_parts(4, 4, 3, 0), nothing)


async def nothing(*_: object) -> Any:
    raise AssertionError


def test_uploads_have_a_limit_of_their_own() -> None:
    client = TestClient(LastResort(BodyLimit(broken, 10, {"/upload": 100})))
    assert client.post("/chat", content=b"x" * 50).status_code == 413
    assert client.post("/upload", content=b"x" * 50).status_code == 500
    assert client.post("/upload", content=b"x" * 101).status_code == 413
