"""A real server on a real socket, and a chatbot whose answers are scripted.

The scripted chatbot serves only the tests of framing, errors and disconnects; what answers really say is
tested with the real one.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import Any, cast

import httpx
from fastapi import FastAPI

from ingest.documents import Passage
from service.answer import Chatbot, Question
from service.app import create_app
from service.events import Citation, Delta, Done, Event, Meta, Sources, Usage
from service.plan import FACTORS, Layers, Manifest, Plan
from service.records import UnknownConversation
from service.server import Server, serving
from service.switches import Known, Overrides, SwitchRefused

ADMIN_KEY = "a-key-for-tests"
ADAPTERS = ("house-style@1", "house-style@2")
LAYERS = Layers("house@1", "hospital", "house-style@2")
PASSAGE = Passage(
    "c1", "d1", "guides/visiting.md", "Visiting", ("Hours",), 0, "Visitors are welcome from 2 to 8 pm.", 0.8
)
MANIFEST = Manifest(
    asked=LAYERS,
    acted=LAYERS,
    origins={"prompt": "configuration", "retrieval": "configuration", "adapter": "configuration"},
    path="model",
    engine="scripted",
    base="0" * 64,
    tokens={"prompt": 120, "completion": 7},
    timings={"retrieve": 12.0, "generate": 80.0},
)
GOOD_ANSWER: tuple[Event, ...] = (
    Meta("m1", "conversation1", LAYERS),
    Sources((PASSAGE,)),
    Delta("From 2 to 8 pm"),
    Citation(1, "c1"),
    Delta(" [1]."),
    Usage(120, 7),
    Done("From 2 to 8 pm [1].", MANIFEST),
)
Step = Event | Exception | float


class ScriptedChatbot:
    """Plays a script: an event is yielded, an error is raised, a number of seconds is a silence."""

    def __init__(self, *script: Step) -> None:
        self.script = script or GOOD_ANSWER
        self.questions: list[Question] = []
        self.plans: list[Plan] = []
        self.attributes: list[Mapping[str, str] | None] = []
        self.yielded = 0
        self.closed = threading.Event()
        self.endings: list[str] = []
        self.cleanup_seconds = 0.0
        self.components = {"library": "ok", "engine": "ok"}
        self.records: Any = self
        self.admin: Any = None
        self.decider: Any = None
        self.corpus = SimpleNamespace(index=SimpleNamespace(degraded=False))

    def plan(self, overrides: Overrides, user: str | None, attributes: Mapping[str, str] | None = None) -> Plan:
        self.attributes.append(attributes)
        if overrides.adapter not in (None, "on", "off", "house-style", *ADAPTERS):
            raise SwitchRefused("adapter", overrides.adapter, ADAPTERS)
        layers = Layers(
            prompt=None if overrides.prompt == "off" else "house@1",
            retrieval=None if overrides.retrieval == "off" else "hospital",
            adapter=None if overrides.adapter == "off" else "house-style@2",
        )
        return Plan(layers, {}, overrides.max_tokens or 200, overrides.temperature or 0, 1, overrides.seed or 0)

    async def planned(
        self, text: str, overrides: Overrides, user: str | None, attributes: Mapping[str, str] | None = None
    ) -> Plan:
        try:
            return self.plan(overrides, user, attributes)
        except SwitchRefused:
            if not await self.urgent(text):
                raise
            return self.plan(Overrides(), None)

    def known(self) -> Known:
        return Known(frozenset(), frozenset(), frozenset(ADAPTERS), {"house-style": "house-style@2"})

    async def urgent(self, text: str) -> bool:
        return text.startswith("help")

    async def answer(self, question: Question, plan: Plan) -> AsyncGenerator[Event]:
        self.questions.append(question)
        self.plans.append(plan)
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, int | float):
                    await asyncio.sleep(step)
                else:
                    self.yielded += 1
                    yield step
        finally:
            await asyncio.sleep(self.cleanup_seconds)
            self.endings.append("answer")
            self.closed.set()

    def conversation(self, conversation_id: str, user: str | None) -> dict[str, Any]:
        raise UnknownConversation(f"No conversation {conversation_id!r}.")

    async def search(
        self, query: str, history: Sequence[Any], collection: str | None, limit: int | None, labels: Any
    ) -> SimpleNamespace:
        return SimpleNamespace(query=query, degraded=False, passages=(PASSAGE,))

    def configuration(self) -> dict[str, Any]:
        known = {"prompt": ["house@1"], "retrieval": ["hospital"], "adapter": list(ADAPTERS)}
        names = {"prompt": "house@1", "retrieval": "hospital", "adapter": "house-style"}
        return {
            "name": "Test Hospital",
            "layers": {f: {"switch": "on", "name": names[f], "known": known[f]} for f in FACTORS},
            "limits": {"max_question_characters": 4000},
        }

    async def ready(self) -> Mapping[str, str]:
        return self.components


@asynccontextmanager
async def opened(chatbot: ScriptedChatbot) -> AsyncIterator[Chatbot]:
    yield cast(Chatbot, chatbot)
    chatbot.endings.append("chatbot")


@contextmanager
def running(chatbot: ScriptedChatbot, shutdown_seconds: int = 1, **options: Any) -> Iterator[httpx.Client]:
    """A client of this chatbot behind a real socket."""
    with served(create_app(opened(chatbot), admin_key=ADMIN_KEY, **options), shutdown_seconds) as client:
        yield client


@contextmanager
def served(app: FastAPI, shutdown_seconds: int) -> Iterator[httpx.Client]:
    """The app under uvicorn on a free port in a thread of its own; leaving stops it as a signal would."""
    servers: list[Server] = []

    async def run() -> None:
        async with serving(app, "127.0.0.1", 0, shutdown_seconds) as server:
            servers.append(server)

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(lambda: asyncio.run(run()))
        wait_until(lambda: servers or ended.done())
        if servers:
            try:
                with httpx.Client(base_url=servers[0].url, timeout=60) as client:
                    yield client
            finally:
                servers[0].should_exit = True
    ended.result()


def posted(client: httpx.Client, path: str, body: Mapping[str, Any]) -> socket.socket:
    """A connection that has sent this request and read nothing of the answer; closing it hangs up."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: test\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 80))
    connection.sendall(head.encode() + content)
    return connection


def sent(client: httpx.Client, raw: bytes) -> bytes:
    """What the server answers to raw bytes, up to the end of a JSON object."""
    answer = b""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), 10) as connection:
        connection.sendall(raw)
        while not answer.endswith(b"}"):
            answer += connection.recv(4096)
    return answer


def wait_until(condition: Callable[[], object]) -> None:
    """Returns when the condition holds; the test's own time limit ends a wait in vain."""
    while not condition():
        time.sleep(0.01)


def named(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream, heartbeats left out."""
    blocks = [block.split("\n") for block in text.split("\n\n") if block.startswith("event: ")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]
