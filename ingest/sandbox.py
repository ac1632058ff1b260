"""The parent's side of the parser process: starts it, bounds its time, replaces it when it dies."""

import json
import signal
import subprocess
import threading
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from ingest.child import started
from ingest.outline import Block, Outline, ParseError

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may use of the machine."""

    memory_bytes: int = 1024 * MIB
    cpu_seconds: int = 20
    wall_seconds: float = 30.0
    answer_bytes: int = 64 * MIB


@dataclass(frozen=True, slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    pipe: Connection


class Sandbox:
    """One parser process, started at the first file and kept: starting it costs about a second."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._worker: _Worker | None = None
        self._lock = threading.Lock()

    def outline(self, form: str, content: bytes) -> Outline:
        """The outline of content in a format of parse_worker.PARSERS; ParseError with the reason."""
        with self._lock:
            answer = self._ask(form, content)
            if answer["fatal"]:
                self._discard()
        if answer["outline"] is None:
            raise ParseError(answer["error"])
        return _outline(answer["outline"])

    def close(self) -> None:
        with self._lock:
            self._discard()

    def _ask(self, form: str, content: bytes) -> dict[str, Any]:
        is_new = self._worker is None
        self._worker = worker = self._worker or _start(self._limits)
        watchdog = threading.Timer(self._limits.wall_seconds, worker.process.kill)
        try:
            if is_new:
                worker.pipe.recv_bytes()  # it is ready: only from now on the file's time counts
            watchdog.start()
            worker.pipe.send_bytes(form.encode())
            worker.pipe.send_bytes(content)
            answer: dict[str, Any] = json.loads(worker.pipe.recv_bytes(self._limits.answer_bytes))
        except (EOFError, ConnectionError):
            answer = {"outline": None, "error": self._cause_of_death(worker), "fatal": True}
        except OSError:
            # The answer is longer than allowed, and the rest of it would be taken for the next one.
            reason = f"It holds more than {self._limits.answer_bytes // MIB} MiB of text. Split the file."
            answer = {"outline": None, "error": reason, "fatal": True}
        finally:
            watchdog.cancel()
        return answer

    def _cause_of_death(self, worker: _Worker) -> str:
        code = worker.process.wait()
        if code == -signal.SIGXCPU:
            return f"Parsing it took more than {self._limits.cpu_seconds} s of processor time and was stopped."
        if code == -signal.SIGKILL:
            return f"Parsing it took longer than {self._limits.wall_seconds:g} s and was stopped."
        return f"The parser crashed on it (exit code {code}): the file is damaged or made to do harm."

    def _discard(self) -> None:
        if self._worker is None:
            return
        self._worker.pipe.close()
        self._worker.process.kill()
        self._worker.process.wait()
        self._worker = None


def _start(limits: Limits) -> _Worker:
    ours, theirs = Pipe()
    arguments = theirs.fileno(), limits.memory_bytes, limits.cpu_seconds
    process = started("ingest.parse_worker", *arguments, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
    theirs.close()
    return _Worker(process, ours)


def _outline(values: dict[str, Any]) -> Outline:
    blocks = tuple(Block(block["text"], block["level"]) for block in values["blocks"])
    return Outline(blocks, values["title"], frozenset(values["labels"]))
