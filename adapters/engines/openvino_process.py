"""The service's side of the generating process: requests out, chunks of answers in."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.engines.handoff import Handoff
from adapters.engines.protocol import EngineError
from adapters.engines.wire import Chunk


@dataclass(frozen=True, slots=True)
class Waiting:
    """Who asked: chunks go to `handoff`, and `done` is set with the last one."""

    handoff: Handoff[Chunk]
    done: "Future[None]"


class Process:
    """One child process; safe to ask from any event loop."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        search_path = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        # Not multiprocessing's spawn: that would import the parent's main module, here the whole service.
        self.child = subprocess.Popen(
            [sys.executable, "-P", "-m", "adapters.engines.openvino_worker", json.dumps(dict(values))],
            env={"PYTHONPATH": search_path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.numbers = itertools.count()
        self.waiting: dict[int, Waiting] = {}
        self.lock = threading.Lock()
        self.reader = threading.Thread(target=self.read, name="openvino-replies", daemon=True)
        self.reader.start()

    @property
    def code(self) -> int | None:
        """The code with which the process ended; None while it runs."""
        return self.child.poll()

    @property
    def ended(self) -> bool:
        return self.code is not None

    def read(self) -> None:
        """Hand every reply to who asked; at the end, tell those who still wait."""
        assert self.child.stdout is not None
        with self.child.stdout as replies:
            for line in replies:
                self.take(json.loads(line))
        with self.lock:
            left, self.waiting = self.waiting, {}
        for waiting in left.values():
            waiting.done.set_exception(gone(self.child.wait()))

    def take(self, reply: Chunk) -> None:
        with self.lock:
            known = self.waiting.pop if reply.get("last") else self.waiting.get
            waiting = known(reply["id"], None)
        if waiting:
            waiting.handoff.put(reply)
            if reply.get("last"):
                waiting.done.set_result(None)

    async def ask(self, act: str, **values: Any) -> AsyncGenerator[list[Chunk]]:
        """The replies as they come; closing the iterator cancels. Raises EngineError where the process is gone."""
        handoff: Handoff[Chunk] = Handoff(asyncio.get_running_loop())
        waiting = Waiting(handoff, Future())
        number = next(self.numbers)
        with self.lock:
            if self.ended:
                raise gone(self.child.returncode)
            self.waiting[number] = waiting
            self.send({"id": number, "act": act} | values)
        try:
            async for replies in handoff.batches(asyncio.wrap_future(waiting.done)):
                check(replies)
                yield replies
        finally:
            with self.lock:
                if self.waiting.pop(number, None) and not self.ended:
                    self.send({"id": number, "act": "cancel"})

    def send(self, request: Mapping[str, Any]) -> None:
        assert self.child.stdin is not None
        try:
            self.child.stdin.write(json.dumps(request).encode() + b"\n")
            self.child.stdin.flush()
        except BrokenPipeError as error:
            raise gone(self.child.wait()) from error

    async def tell(self, act: str, **values: Any) -> None:
        """Ask for what has no chunks, and wait until it is done."""
        async for _ in self.ask(act, **values):
            pass

    def kill(self) -> None:
        self.child.kill()
        self.close()

    def close(self) -> None:
        """End the process, and with it what still runs."""
        assert self.child.stdin is not None
        # What could not be sent any more is still in the pipe's buffer.
        with suppress(BrokenPipeError):
            self.child.stdin.close()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
        self.reader.join()


@contextmanager
def ended_unless_done(process: Process) -> Iterator[None]:
    """A process that somebody started, and then could or would not wait for, does not stay."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


def check(replies: list[Chunk]) -> None:
    for reply in replies:
        if "error" in reply:
            raise EngineError(f"OpenVINO refused the request: {reply['error']}")


def gone(code: int) -> EngineError:
    return EngineError(
        f"The process that generates ended with code {code}. Ask again: another one starts. The log may say why."
    )
