"""A model server as OpenAI and vLLM speak it, over a real socket, with the faults that a test asks for."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from langchain_core.messages import AIMessageChunk, HumanMessage
from openai import AsyncOpenAI

from adapters.engines.openai import OpenAIServer
from adapters.engines.protocol import Generation

QUESTION = [HumanMessage("When are you open?")]
BASE_TOP, STYLE_TOP = {"We": -0.5, "The": -2.0}, {"You": -0.2, "We": -3.0}


@dataclass
class Served:
    """What the server does: texts and first tokens by model, and its faults."""

    models: list[str] = field(default_factory=lambda: ["base", "lora-style"])
    tops: dict[str, dict[str, float]] = field(default_factory=lambda: {"base": BASE_TOP, "lora-style": STYLE_TOP})
    answers_as: str | None = None
    logprobs: bool = True
    status: int = 200
    lists_with: int = 200
    lists: int = 0
    error: str = ""
    breaks_off: bool = False
    line: bytes = b""
    finish: str = "stop"
    bodies: list[dict[str, Any]] = field(default_factory=list)
    loads: int = 200
    adapters: list[tuple[str, dict[str, str]]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    served: Served

    def do_GET(self) -> None:
        self.served.lists += 1
        if (status := max(self.served.status, self.served.lists_with)) != 200:
            self.reply(status, {"error": {"message": self.served.error}})
            return
        self.reply(200, {"object": "list", "data": [listed(name) for name in self.served.models]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("_lora_adapter"):
            self.adapter(body)
            return
        self.served.bodies.append(body)
        if body["model"] not in self.served.models:
            self.reply(404, {"error": {"message": f"The model {body['model']} does not exist."}})
            return
        if self.served.status != 200:
            self.reply(self.served.status, {"error": {"message": self.served.error}})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(self.served.line)
        for chunk in self.chunks(body):
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def adapter(self, body: dict[str, Any]) -> None:
        """As vLLM's two endpoints answer: text where it went well, OpenAI's error object where not."""
        self.served.adapters.append((self.path.rpartition("/")[2], body))
        if self.served.loads != 200:
            self.reply(self.served.loads, {"error": {"message": "no such folder"}})
        elif self.path.endswith("/load_lora_adapter"):
            self.served.models.append(body["lora_name"])
            self.served.tops[body["lora_name"]] = self.served.tops["lora-style"]
            self.reply(200, "Success: added")
        else:
            self.served.models.remove(body["lora_name"])
            self.reply(200, "Success: removed")

    def chunks(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        head = {"id": "x", "created": 0, "object": "chat.completion.chunk"}
        head["model"] = self.served.answers_as or body["model"]
        for text in (f"{body['model']} ", "speaks."):
            yield head | {"choices": [choice({"content": text}, self.logprobs(body))]}
        if not self.served.breaks_off:
            yield head | {"choices": [choice({}) | {"finish_reason": self.served.finish}]}
            counts = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
            yield head | {"choices": [], "usage": counts}

    def logprobs(self, body: dict[str, Any]) -> dict[str, Any] | None:
        if not (self.served.logprobs and body.get("logprobs")):
            return None
        top = [{"token": token, "logprob": value} for token, value in self.served.tops[body["model"]].items()]
        return {"content": [top[0] | {"top_logprobs": top}]}

    def reply(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def listed(name: str) -> dict[str, Any]:
    """As vLLM lists a model: an adapter with the one that it is on."""
    return {"id": name, "object": "model", "parent": "base" if name.startswith("lora-") else None}


def choice(delta: dict[str, str], logprobs: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": None}


Serve = Callable[..., tuple[OpenAIServer, Served]]


@contextmanager
def serving() -> Iterator[Serve]:
    """Starts servers on free ports, each with an engine that speaks to it."""
    running: list[ThreadingHTTPServer] = []

    def started(**faults: Any) -> tuple[OpenAIServer, Served]:
        served = Served(**faults)
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("OneHandler", (Handler,), {"served": served}))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        running.append(server)
        client = AsyncOpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none", max_retries=0)
        return OpenAIServer(client=client, model="base", sha256="b" * 64, served={"style@1": "lora-style"}), served

    yield started
    for server in running:
        server.shutdown()
        server.server_close()


async def answer(engine: OpenAIServer, **values: Any) -> list[AIMessageChunk]:
    chunks = [chunk async for chunk in engine.astream(QUESTION, generation=Generation(**values))]
    await engine.close()
    assert all(isinstance(chunk, AIMessageChunk) for chunk in chunks)
    return chunks
