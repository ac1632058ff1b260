"""A judge as OpenAI's API serves one, over a real socket: it replies as a test wants, well or badly."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class JudgeServer:
    """Chooses the first of the choices, or what `chosen` says of a message that has its key.

    `replies` are sent instead, one after another, then the last again. After `most` requests it is broken.
    Each takes `pause` seconds.
    """

    chosen: dict[str, dict[str, str]] = field(default_factory=dict)
    replies: list[str] = field(default_factory=list)
    status: int = 200
    error: dict[str, Any] = field(default_factory=dict)
    most: int = 10_000
    pause: float = 0.0
    raw: bytes | None = None
    content_type: str = "application/json"
    finish_reason: str = "stop"
    refusal: str | None = None
    usage: bool = True
    answers_as: str | None = None
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reply_to(self, body: dict[str, Any]) -> str:
        if self.replies:
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        message = body["messages"][0]["content"]
        properties = body["response_format"]["json_schema"]["schema"]["properties"]
        reply = {name: one["enum"][0] for name, one in properties.items()}
        for key, labels in self.chosen.items():
            if key in message:
                reply |= {name: label for name, label in labels.items() if name in reply}
        return json.dumps(reply)

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.reply_to(body), "refusal": self.refusal}
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason, "logprobs": None}
        head = {"id": "x", "object": "chat.completion", "created": 0, "model": self.answers_as or body["model"]}
        counts = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        return {**head, "choices": [choice], "usage": counts if self.usage else None}


class Handler(BaseHTTPRequestHandler):
    judge: JudgeServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.judge.lock:
            self.judge.bodies.append(body)
            self.judge.keys.append(self.headers["Authorization"])
            self.judge.at_once += 1
            self.judge.most_at_once = max(self.judge.most_at_once, self.judge.at_once)
            broken = len(self.judge.bodies) > self.judge.most
            content = json.dumps(self.judge.completion(body)).encode()
        time.sleep(self.judge.pause)
        status = 400 if broken else self.judge.status
        if status != 200:
            content = json.dumps({"error": {"message": "broken", **self.judge.error}}).encode()
        with self.judge.lock:
            self.judge.at_once -= 1
        self.send_response(status)
        self.send_header("Content-Type", self.judge.content_type)
        content = content if self.judge.raw is None else self.judge.raw
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def judging(**values: Any) -> Iterator[JudgeServer]:
    judge = JudgeServer(**values)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OneHandler", (Handler,), {"judge": judge}))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    judge.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield judge
    server.shutdown()
    server.server_close()
