"""One error, two forms: a problem document, and OpenAI's error object under /v1."""

import asyncio
import json
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from adapters.engines.protocol import AdapterRefused, EngineBusy, EngineError, PromptTooLong
from service.errors import NotReady, Overloaded, Unauthorized, UnknownModel
from service.problems import error_response, problem_of

ERRORS = [
    (Unauthorized("Send the key."), 401, "unauthorized"),
    (UnknownModel("No model 'x'."), 404, "model-not-found"),
    (HTTPException(405), 405, "method-not-allowed"),
    (HTTPException(413, "Too many bytes."), 413, "body-too-large"),
    (AdapterRefused("It did not act."), 422, "adapter-refused"),
    (PromptTooLong("3000 of 2048."), 422, "prompt-too-long"),
    (ClientDisconnect(), 499, "client-closed-request"),
    (RuntimeError("a secret"), 500, "internal-error"),
    (EngineError("Out of memory."), 502, "engine-failed"),
    (EngineBusy("No slot."), 503, "overloaded"),
    (Overloaded("No place."), 503, "overloaded"),
    (OperationalError("SELECT a secret", {}, RuntimeError("a secret")), 503, "library-unavailable"),
    (asyncio.CancelledError(), 503, "shutting-down"),
]
IDS = [name for _, _, name in ERRORS]


def response(path: str, error: BaseException) -> tuple[Any, dict[str, Any]]:
    told = error_response({"path": path, "state": {"request_id": "r1"}}, error)
    return told, json.loads(bytes(told.body))


@pytest.mark.parametrize(("error", "status", "name"), ERRORS, ids=IDS)
def test_a_problem_has_type_title_status_and_detail(error: BaseException, status: int, name: str) -> None:
    told, problem = response("/chat", error)
    assert told.status_code == problem["status"] == status
    assert told.media_type == "application/problem+json"
    assert problem["type"] == f"/problems/{name}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == "r1"
    assert "secret" not in str(problem)


@pytest.mark.parametrize(("error", "status", "name"), ERRORS, ids=IDS)
def test_under_v1_it_is_the_error_object_of_openai(error: BaseException, status: int, name: str) -> None:
    told, body = response("/v1/chat/completions", error)
    assert told.status_code == (400 if status == 422 else status)
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"message", "type", "code", "param"}
    assert body["error"]["type"] == ("server_error" if status >= 500 else "invalid_request_error")
    assert "secret" not in str(body)


def test_a_full_service_says_when_to_come_back() -> None:
    told, _ = response("/chat", Overloaded("No place."))
    assert told.headers["retry-after"] == "2"


def test_a_database_that_is_away_is_told_without_its_words_and_in_one_line_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = OperationalError("SELECT a secret", {}, RuntimeError("a secret"))
    for path in ("/chat", "/v1/chat/completions"):
        told, _ = response(path, error)
        assert told.headers["retry-after"] == "2"
    assert [one.getMessage() for one in caplog.records] == [
        "request r1 failed: the database does not answer (RuntimeError)"
    ] * 2


def test_a_missing_key_says_how_to_send_it() -> None:
    told, _ = response("/admin/stats", Unauthorized("Send the key."))
    assert told.headers["www-authenticate"] == "Bearer"


def test_what_is_not_ready_is_named() -> None:
    _, problem = response("/ready", NotReady({"library": "ok", "engine": "the model is missing"}))
    assert problem["components"] == {"library": "ok", "engine": "the model is missing"}
    assert "engine: the model is missing" in problem["detail"]
    assert "library" not in problem["detail"]


def test_a_wrong_field_tells_what_came_but_not_all_of_it() -> None:
    loc = ("body", "a/b~c", 0)
    wrong = {"type": "x", "msg": "Value error, expected less", "loc": loc, "input": "y" * 500}
    [error] = problem_of(RequestValidationError([wrong])).errors
    assert error["pointer"] == "#/a~1b~0c/0"
    assert error["detail"].startswith("expected less, got 'yyy")
    assert len(error["detail"]) < 120


def test_a_wrong_parameter_is_named() -> None:
    wrong = {"type": "x", "msg": "Too small", "loc": ("query", "limit"), "input": "0"}
    [error] = problem_of(RequestValidationError([wrong])).errors
    assert error == {"detail": "Too small, got '0'", "parameter": "limit"}
