"""Errors as documents: RFC 9457 problems, and OpenAI's error object under /v1."""

import asyncio
import json
import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from service.errors import (
    HTTP_DETAILS,
    HTTP_KINDS,
    INTERNAL,
    INVALID,
    KINDS,
    LIBRARY_AWAY,
    MALFORMED,
    MEDIA_TYPE,
    Kind,
    NotReady,
    kind_of,
)

logger = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
OPENAI_CODES = {"prompt-too-long": "context_length_exceeded"}
HANDLED = (HTTPException, RequestValidationError, *(cls for cls in KINDS if issubclass(cls, Exception)))


@dataclass(frozen=True, slots=True)
class Problem:
    """One error, ready to be told in either form. `errors` has an entry for each wrong field."""

    kind: Kind
    detail: str
    errors: tuple[Mapping[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    components: Mapping[str, str] = field(default_factory=dict)

    def document(self, request_id: str) -> dict[str, Any]:
        return {
            "type": f"/problems/{self.kind.name}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "request_id": request_id,
            **({"errors": self.errors} if self.errors else {}),
            **({"components": dict(self.components)} if self.components else {}),
        }

    def openai(self) -> dict[str, Any]:
        param = next((each.get("pointer", "").removeprefix("#/") for each in self.errors), None)
        return {
            "error": {
                "message": " ".join((f"{self.kind.title}:", self.detail, *(e["detail"] for e in self.errors))),
                "type": "server_error" if self.kind.status >= 500 else "invalid_request_error",
                "code": OPENAI_CODES.get(self.kind.name, self.kind.name.replace("-", "_")),
                "param": param or None,
            }
        }


def problem_of(error: BaseException) -> Problem:
    """What a client is told of an error; of an unexpected one only that it happened."""
    if isinstance(error, RequestValidationError):
        return invalid(error)
    if isinstance(error, HTTPException):
        kind = HTTP_KINDS.get(error.status_code, Kind(error.status_code, "http-error", error.detail))
        detail = HTTP_DETAILS.get(error.detail, error.detail)
        return Problem(kind, detail, headers=error.headers or {})
    kind = kind_of(error)
    if kind is INTERNAL:
        return Problem(kind, "An unexpected error; nothing of it is told here. Report the request_id.")
    if kind is LIBRARY_AWAY:
        return Problem(kind, "The database cannot be reached, or cannot read or write now. Ask again in a moment.")
    if isinstance(error, asyncio.CancelledError):
        return Problem(kind, "The service is stopping and cut this answer. Ask again in a moment.")
    if isinstance(error, NotReady):
        return Problem(kind, str(error), components=error.components)
    return Problem(kind, str(error) or f"{kind.title}.")


def invalid(error: RequestValidationError) -> Problem:
    """Every wrong field, or why the body could not be read at all."""
    found: Sequence[Mapping[str, Any]] = error.errors()
    at = found[0]["loc"][-1]
    if found[0]["type"] == "json_invalid" and isinstance(at, int):
        why = found[0]["ctx"]["error"]
        return Problem(MALFORMED, f"The body is not valid JSON: {why} at character {at}. Send a JSON object.")
    if isinstance(error.body, bytes):
        return Problem(MEDIA_TYPE, "Expected a JSON body with the header Content-Type: application/json.")
    errors = tuple(wrong_field(each) for each in found)
    fields = ", ".join(each.get("pointer") or each["parameter"] for each in errors)
    return Problem(INVALID, f"Wrong in this request: {fields}.", errors)


def wrong_field(found: Mapping[str, Any]) -> dict[str, str]:
    """One field: what was expected, what came, and where (a JSON pointer into the body, or a parameter)."""
    place, *path = found["loc"]
    given = found.get("input")
    got = repr(given)[:80] if isinstance(given, str | int | float) else type(given).__name__
    message = found["msg"].removeprefix("Value error, ")
    detail = message if found["type"] == "missing" else f"{message}, got {got}"
    if place == "body":
        return {"detail": detail, "pointer": "/".join(("#", *map(pointed, path)))}
    return {"detail": detail, "parameter": ".".join(map(str, path))}


def pointed(part: str | int) -> str:
    """A part of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")


def error_body(scope: Scope, problem: Problem) -> dict[str, Any]:
    """The error's document in the form that the path's clients read."""
    return problem.openai() if is_openai(scope) else problem.document(request_id(scope))


def error_response(scope: Scope, error: BaseException) -> Response:
    report(scope, error)
    problem = problem_of(error)
    # OpenAI's clients know 400 for a wrong request; 422 would be an error of its own to them.
    status = 400 if is_openai(scope) and problem.kind.status == 422 else problem.kind.status
    return Response(
        json.dumps(error_body(scope, problem)),
        status,
        headers={**problem.kind.headers, **problem.headers},
        media_type="application/json" if is_openai(scope) else PROBLEM_JSON,
    )


def report(scope: Scope, error: BaseException) -> None:
    """Log an unexpected error: where it happened, but not its message, which may hold a user's text."""
    kind = problem_of(error).kind
    if kind is LIBRARY_AWAY:
        cause = getattr(error, "orig", error)
        name = getattr(cause, "sqlite_errorname", type(cause).__name__)
        logger.error("request %s failed: the database does not answer (%s)", request_id(scope), name)
    if kind is INTERNAL:
        frames = "".join(traceback.format_tb(error.__traceback__))
        logger.error("request %s failed: %s\n%s", request_id(scope), type(error).__name__, frames)


async def answer_error(request: Request, error: Exception) -> Response:
    response = error_response(request.scope, error)
    if "allow" in response.headers:
        response.headers["allow"] = ", ".join(methods(request))
    return response


def methods(request: Request) -> list[str]:
    """Those of the path: Starlette itself names only those of the first of its routes."""
    routes = request.app.routes
    return [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def is_openai(scope: Scope) -> bool:
    return str(scope["path"]).startswith("/v1/")


def request_id(scope: Scope) -> str:
    return str(scope.get("state", {}).get("request_id", ""))
