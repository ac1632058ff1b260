"""The service's side of the generating process: requests out, chunks of answers in."""

import asyncio
import itertools
import json
import logging
import queue
import subprocess
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from adapters.engines.handoff import Handoff
from adapters.engines.protocol import EngineError
from adapters.engines.wire import Chunk
from ingest.child import started

logger = logging.getLogger(__name__)

# How often to look whether the process gave a sign; while it generates, it gives one as often.
WATCH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Who asked for what: chunks go to `handoff`, and `done` is set with the last one."""

    act: str
    handoff: Handoff[Chunk]
    done: "Future[None]"


class Process:
    """One child process; safe to ask from any event loop, which it never holds up.

    While answers are asked for and it gives no sign for `silence_seconds`, it is taken to hang, and killed.
    """

    def __init__(self, values: Mapping[str, Any], silence_seconds: float) -> None:
        told, pipe = json.dumps(dict(values)), subprocess.PIPE
        self.child = started("adapters.engines.openvino_worker", told, stdin=pipe, stdout=pipe)
        self.silence_seconds = silence_seconds
        self.numbers = itertools.count()
        self.waiting: dict[int, Waiting] = {}
        self.lock = threading.Lock()
        self.requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.heard = self.hung = False
        # Seconds, counted in looks.
        self.silent = 0.0
        self.over = threading.Event()
        self.threads = [
            threading.Thread(target=target, name=f"openvino-{target.__name__}", daemon=True)
            for target in (self.read, self.write, self.watch)
        ]
        for thread in self.threads:
            thread.start()

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
                # A killed process may leave half a line.
                if line.endswith(b"\n"):
                    self.take(json.loads(line))
        with self.lock:
            self.over.set()
            left, self.waiting = self.waiting, {}
        for waiting in left.values():
            waiting.done.set_exception(self.gone())

    def take(self, reply: Chunk) -> None:
        self.heard = True
        if not reply:
            return
        with self.lock:
            known = self.waiting.pop if reply.get("last") else self.waiting.get
            waiting = known(reply["id"], None)
        if waiting:
            waiting.handoff.put(reply)
            if reply.get("last"):
                waiting.done.set_result(None)

    def write(self) -> None:
        """Send until there is None to send: a process that reads nothing holds up this thread, nobody else."""
        assert self.child.stdin is not None
        with suppress(BrokenPipeError), self.child.stdin as pipe:
            for request in iter(self.requests.get, None):
                pipe.write(request)
                pipe.flush()

    def watch(self) -> None:
        """Count silent looks, not time: after a machine slept, the process gets its time, too.

        Who asked may leave before: only a sign sets the count back.
        """
        while self.silent < self.silence_seconds:
            if self.over.wait(WATCH_SECONDS):
                return
            heard, self.heard = self.heard, False
            if heard:
                self.silent = 0.0
            elif self.owes_an_answer():
                self.silent += WATCH_SECONDS
        logger.error("The generating process gave no sign for %.0f s; it is killed.", self.silent)
        self.hung = True
        self.child.kill()

    def hangs(self, seconds: float) -> bool:
        """Not where nobody waits: a sign comes only while something is generated."""
        return self.silent > seconds and self.owes_an_answer()

    def owes_an_answer(self) -> bool:
        """Not while it opens a model: that may take a while, and its thread may hold up the others."""
        with self.lock:
            acts = {waiting.act for waiting in self.waiting.values()}
        return "answer" in acts and "open" not in acts

    async def ask(self, act: str, **values: Any) -> AsyncGenerator[list[Chunk]]:
        """The replies as they come; closing the iterator cancels. Raises EngineError where the process is gone."""
        handoff: Handoff[Chunk] = Handoff(asyncio.get_running_loop())
        waiting = Waiting(act, handoff, Future())
        number = next(self.numbers)
        with self.lock:
            if self.over.is_set():
                raise self.gone()
            self.waiting[number] = waiting
            self.send({"id": number, "act": act} | values)
        try:
            async for replies in handoff.batches(asyncio.wrap_future(waiting.done)):
                check(replies)
                yield replies
        finally:
            with self.lock:
                if self.waiting.pop(number, None):
                    self.send({"id": number, "act": "cancel"})

    def send(self, request: Mapping[str, Any]) -> None:
        self.requests.put(json.dumps(request).encode() + b"\n")

    async def tell(self, act: str, **values: Any) -> None:
        """Ask for what has no chunks, and wait until it is done."""
        async for _ in self.ask(act, **values):
            pass

    def kill(self) -> None:
        self.child.kill()
        self.close()

    def close(self) -> None:
        """End the process, and with it what still runs."""
        self.requests.put(None)
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        for thread in self.threads:
            thread.join()

    def gone(self) -> EngineError:
        code = self.child.wait()
        why = (
            f"gave no sign for {self.silence_seconds:.0f} s and was killed"
            if self.hung
            else f"ended with code {code}"
        )
        return EngineError(f"The process that generates {why}. Ask again: another one starts. The log may say why.")


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
