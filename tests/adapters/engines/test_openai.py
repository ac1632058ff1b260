import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage
from openai import AsyncOpenAI

from adapters.engines.openai import OpenAIServer
from adapters.engines.protocol import (
    AdapterRefused,
    AdapterWeights,
    EngineBusy,
    EngineError,
    Generation,
    PromptTooLong,
    joined,
)

STYLE = AdapterWeights("style@1", "/nowhere", "a" * 64)
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
    error: str = ""
    breaks_off: bool = False
    bodies: list[dict[str, Any]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    served: Served

    def do_GET(self) -> None:
        self.reply(
            200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.served.models]}
        )

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.served.bodies.append(body)
        if self.served.status != 200:
            self.reply(self.served.status, {"error": {"message": self.served.error}})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for chunk in self.chunks(body):
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def chunks(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        head = {"id": "x", "created": 0, "object": "chat.completion.chunk"}
        head["model"] = self.served.answers_as or body["model"]
        for text in (f"{body['model']} ", "speaks."):
            yield head | {"choices": [choice({"content": text}, self.logprobs(body))]}
        if not self.served.breaks_off:
            yield head | {"choices": [choice({}) | {"finish_reason": "stop"}]}
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


def choice(delta: dict[str, str], logprobs: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": None}


Serve = Callable[..., tuple[OpenAIServer, Served]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server on a free port, and an engine that speaks to it."""
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
    return chunks  # type: ignore[return-value]


async def test_the_base_answers_under_its_own_name(serve: Serve) -> None:
    engine, served = serve()
    chunks = await answer(engine, max_tokens=9, temperature=0.5, top_p=0.9, seed=3, stop=("END",))
    assert joined([*chunks]) == "base speaks."
    (body,) = served.bodies
    assert body["messages"] == [{"role": "user", "content": "When are you open?"}]
    assert {key: body[key] for key in ("model", "max_tokens", "temperature", "top_p", "seed", "stop")} == {
        "model": "base",
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["END"],
    }


async def test_the_last_chunk_tells_what_answered(serve: Serve) -> None:
    engine, _ = serve()
    await engine.load(STYLE)
    assert engine.adapters() == ("style@1",)
    last = (await answer(engine, adapter="style@1"))[-1]
    assert last.content == ""
    assert last.response_metadata["adapter"] == "style@1"
    assert last.response_metadata["base"] == "b" * 64
    assert last.response_metadata["finish_reason"] == "stop"
    assert last.usage_metadata is not None
    assert (last.usage_metadata["input_tokens"], last.usage_metadata["output_tokens"]) == (7, 2)


async def test_a_loaded_adapter_answers_and_an_unloaded_one_does_not(serve: Serve) -> None:
    engine, served = serve()
    await engine.load(STYLE)
    chunks = [chunk async for chunk in engine.astream(QUESTION, generation=Generation(adapter="style@1"))]
    assert "".join(str(chunk.content) for chunk in chunks) == "lora-style speaks."
    asked = len(served.bodies)
    await engine.unload("style@1")
    with pytest.raises(AdapterRefused, match="loaded: none"):
        await answer(engine, adapter="style@1")
    assert len(served.bodies) == asked, "nothing was generated without it"


async def test_a_server_that_ignores_the_adapter_is_refused(serve: Serve) -> None:
    engine, _ = serve(tops={"base": BASE_TOP, "lora-style": BASE_TOP})
    with pytest.raises(AdapterRefused, match=r"style@1 does not act"):
        await engine.load(STYLE)
    assert engine.adapters() == ()
    await engine.close()


async def test_a_server_without_log_probabilities_cannot_take_adapters(serve: Serve) -> None:
    engine, _ = serve(logprobs=False)
    with pytest.raises(EngineError, match="no log probabilities"):
        await engine.load(STYLE)
    assert engine.adapters() == ()
    await engine.close()


async def test_a_server_that_answers_from_another_model_is_refused(serve: Serve) -> None:
    engine, _ = serve(answers_as="base")
    assert joined([*await answer(engine)]) == "base speaks."
    engine, _ = serve(answers_as="other")
    with pytest.raises(AdapterRefused, match="'other', asked was 'base'"):
        await answer(engine)


async def test_an_adapter_answered_by_the_base_is_refused(serve: Serve) -> None:
    engine, _ = serve(answers_as="base")
    with pytest.raises(AdapterRefused, match="'base', asked was 'lora-style'"):
        await engine.load(STYLE)
    assert engine.adapters() == ()
    await engine.close()


async def test_an_adapter_that_the_server_does_not_list_is_refused(serve: Serve) -> None:
    engine, served = serve(models=["base"])
    with pytest.raises(AdapterRefused, match=r"does not serve 'lora-style' .* it serves base"):
        await engine.load(STYLE)
    assert served.bodies == []
    await engine.close()


async def test_an_adapter_without_a_name_on_the_server_is_refused(serve: Serve) -> None:
    engine, _ = serve()
    with pytest.raises(AdapterRefused, match="No server model is named for the adapter other@1"):
        await engine.load(AdapterWeights("other@1", "/nowhere", "a" * 64))
    await engine.close()


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (429, "slow down", EngineBusy),
        (400, "This model's maximum context length is 8 tokens", PromptTooLong),
        (400, "bad temperature", EngineError),
        (401, "no key", EngineError),
        (500, "out of memory", EngineError),
    ],
)
async def test_the_servers_errors_are_the_engines(
    serve: Serve, status: int, message: str, kind: type[EngineError]
) -> None:
    engine, _ = serve(status=status, error=message)
    with pytest.raises(EngineError) as caught:
        await answer(engine)
    assert type(caught.value) is kind


async def test_an_answer_that_breaks_off_is_an_error_and_not_a_short_answer(serve: Serve) -> None:
    engine, _ = serve(breaks_off=True)
    with pytest.raises(EngineError, match="broke its answer off"):
        await answer(engine)


async def test_a_server_that_is_not_there_is_named() -> None:
    client = AsyncOpenAI(base_url="http://127.0.0.1:9/v1", api_key="none", max_retries=0)
    engine = OpenAIServer(client=client, model="base", sha256="b" * 64, served={"style@1": "lora-style"})
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:9"):
        await engine.load(STYLE)
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:9"):
        await answer(engine)
