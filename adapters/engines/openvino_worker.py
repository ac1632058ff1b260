"""The process that generates with OpenVINO GenAI, whose steps hold the interpreter's lock.

Requests come on standard input, chunks of answers go to standard output, one JSON object a line.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, TextIO

from adapters.engines.openvino_lane import Lane, Message, Tokenizer, failed, tokenizer_of

Requests = SimpleQueue[Message | None]

# The service takes a process for hanging that owes an answer and gives no sign.
SIGN_SECONDS = 1.0


class Worker:
    """The lanes, and the one thread that steps them; opening takes seconds, so another thread does it."""

    def __init__(self, requests: Requests, replies: TextIO, values: Mapping[str, Any]) -> None:
        self.requests = requests
        self.replies = replies
        self.replying = Lock()
        self.values = values
        self.tokenizer: Tokenizer | None = None
        self.lanes: dict[str | None, Lane] = {}
        self.closing: dict[str | None, int] = {}
        self.opener = ThreadPoolExecutor(1)
        self.signed = 0.0

    def run(self) -> None:
        """Until None comes for a request. The opener's thread may add a lane while the lanes are looked through."""
        while True:
            idle = not self.closing and not any(lane.busy for lane in list(self.lanes.values()))
            for request in self.arrived(wait=idle):
                if request is None:
                    return
                self.act(request)
            self.step()
            self.give_sign()

    def step(self) -> None:
        for lane in list(self.lanes.values()):
            if lane.busy:
                self.reply(lane.step())
            elif lane.name in self.closing:
                del self.lanes[lane.name]
                self.reply([{"id": self.closing.pop(lane.name), "last": True}])

    def give_sign(self) -> None:
        """A step that reads a long prompt has nothing else to tell."""
        if (now := time.monotonic()) - self.signed >= SIGN_SECONDS:
            self.signed = now
            self.reply([{}])

    def arrived(self, wait: bool) -> Iterator[Message | None]:
        try:
            yield self.requests.get(block=wait)
            while True:
                yield self.requests.get_nowait()
        except Empty:
            return

    def act(self, request: Message) -> None:
        number = request["id"]
        match request["act"]:
            case "open":
                self.opener.submit(self.open, number, request["model"], request["path"])
            case "close" if request["model"] in self.lanes:
                # Its running answers come first.
                self.closing[request["model"]] = number
            case "close":
                self.reply([{"id": number, "last": True}])
            case "cancel":
                for lane in list(self.lanes.values()):
                    lane.cancel(number)
            case "answer" if request["model"] in self.lanes:
                self.reply(self.lanes[request["model"]].add(number, request))
            case "answer":
                self.reply([{"id": number, "error": f"{request['model']} is not loaded", "last": True}])

    def open(self, number: int, model: str | None, path: str) -> None:
        try:
            # Read once: all models have the base's.
            self.tokenizer = self.tokenizer or tokenizer_of(Path(path))
            self.lanes[model] = Lane(model, path, self.tokenizer, **self.values)
            self.reply([{"id": number, "last": True}])
        except Exception as error:
            # Whatever it was: without a reply, who waits for the model would wait for ever.
            self.reply([failed(number, error)])

    def reply(self, messages: Iterable[Message]) -> None:
        for message in messages:
            with self.replying:
                self.replies.write(json.dumps(message) + "\n")
                self.replies.flush()


def main() -> None:
    """The values that all lanes share come as one JSON object: see Lane."""
    # Ctrl-C reaches the whole group; the service ends this process by closing its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever a library prints must not stand between the replies.
    os.dup2(2, 1)
    requests: Requests = SimpleQueue()
    Thread(target=read, args=(requests,), daemon=True).start()
    Worker(requests, replies, json.loads(sys.argv[1])).run()


def read(requests: Requests) -> None:
    for line in sys.stdin.buffer:
        requests.put(json.loads(line))
    requests.put(None)


if __name__ == "__main__":
    main()
