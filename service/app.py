"""The FastAPI application: one chatbot, opened in the lifespan, behind all routes."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.staticfiles import StaticFiles

from service.admission import Admission
from service.answer import Chatbot
from service.deps import Limits
from service.metrics import Metrics
from service.middleware import BodyLimit, LastResort, RequestLog, SecurityHeaders
from service.problems import HANDLED, PROBLEM_JSON, answer_error
from service.routes import admin, chat, configuration, conversations, decide, health, openai, search
from service.schemas import Problem

PAGES = Path(__file__).with_name("pages")
PROBLEM: dict[str, Any] = {
    "description": "What is wrong, as a problem (RFC 9457)",
    "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class Api(FastAPI):
    """FastAPI, whose description also has the problems: a model of a response would be described as plain JSON."""

    def openapi(self) -> dict[str, Any]:
        described = super().openapi()
        described["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return described


def create_app(
    chatbot_source: AbstractAsyncContextManager[Chatbot],
    *,
    admin_key: str,
    heartbeat_seconds: float = 10,
    max_body_bytes: int = 2**20,
    max_upload_bytes: int = 100 * 2**20,
    max_question_characters: int = 4000,
    max_concurrent_answers: int = 32,
) -> FastAPI:
    """The service. `chatbot_source` is entered at the start, where it loads, and left at the end."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with chatbot_source as app.state.chatbot:
            yield

    app = Api(
        title="Triptych",
        lifespan=lifespan,
        # The pages of these two load scripts from elsewhere; the schema stays at /openapi.json.
        docs_url=None,
        redoc_url=None,
        # Spans and logs would carry questions out of the service.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        exception_handlers=dict.fromkeys(HANDLED, answer_error),
        responses={"4XX": PROBLEM, "5XX": PROBLEM},
        middleware=[
            Middleware(RequestLog, metrics=metrics),
            Middleware(SecurityHeaders),
            Middleware(LastResort),
            Middleware(BodyLimit, limit=max_body_bytes, uploads={"/admin/documents": max_upload_bytes}),
        ],
    )
    app.state.metrics = metrics
    app.state.admission = Admission(max_concurrent_answers, metrics)
    app.state.limits = Limits(admin_key, heartbeat_seconds, max_question_characters)
    for routes in (chat, decide, openai, search, configuration, conversations, health, admin):
        app.include_router(routes.router)
    app.mount("/pages", StaticFiles(directory=PAGES))
    return app
