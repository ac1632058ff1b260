"""The service for a terminal: in the foreground on a socket, or in this process for one command."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from rich.console import Console

from configs.settings import Settings
from ingest.admin_key import key_file
from ingest.owner import FolderInUse, OwnerLock
from service.admin_key import admin_key
from service.app import create_app
from service.build import build
from service.server import serving

WAIT_SECONDS = 600


def application(settings: Settings) -> FastAPI:
    server = settings.server
    return create_app(
        build(settings),
        admin_key=admin_key(settings),
        heartbeat_seconds=server.heartbeat_seconds,
        max_body_bytes=server.max_body_bytes,
        max_upload_bytes=server.max_upload_bytes,
        max_question_characters=server.max_question_characters,
        max_concurrent_answers=server.max_concurrent_answers,
    )


async def serve_forever(settings: Settings, console: Console) -> None:
    """Serve until a signal; tells the folder's owner file where, so that other commands find the way."""
    server = settings.server
    app = application(settings)
    async with serving(app, server.host, server.port, server.shutdown_seconds) as running:
        app.state.chatbot.owner.announce(running.url)
        console.print(welcome(settings, running.url), markup=False, highlight=False, soft_wrap=True)


def welcome(settings: Settings, url: str) -> str:
    layers = settings.layers
    # The layer as it is configured: an adapter that is off may not even fit the base.
    asked = {"question": "When can I visit the general wards?", "layers": {"adapter": layers.adapter.switch}}
    key = "server.admin_key in the settings" if settings.server.admin_key else key_file(settings)
    lines = (
        f"{settings.name} answers at {url}",
        f"  prompt     {layers.prompt.switch:3}  {layers.prompt.name}: role, rules and style",
        f"  retrieval  {layers.retrieval.switch:3}  {layers.retrieval.name}: the documents, "
        f"up to {layers.retrieval.passages} of their passages an answer",
        f"  adapter    {layers.adapter.switch:3}  {layers.adapter.name}, on {settings.engine.kind}",
        "Try it:",
        f"  curl -s {url}/chat -H 'Content-Type: application/json' -d '{json.dumps(asked)}'",
        f"Admin key: {key}. Stop with Ctrl-C.",
    )
    return "\n".join(lines)


@asynccontextmanager
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running service, or where none runs, of the application in this process."""
    url = owner_url(settings)
    if url is not None:
        async with httpx.AsyncClient(base_url=url, timeout=WAIT_SECONDS, trust_env=False) as http:
            yield http
        return
    app = application(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://triptych", timeout=WAIT_SECONDS) as http:
            yield http


def owner_url(settings: Settings) -> str | None:
    """The address of the service that owns the data folder, if one does."""
    try:
        with OwnerLock(settings.data.folder):
            return None
    except FolderInUse as owner:
        if owner.url is None:
            raise
        return owner.url
