"""The server's life: its address, its start, and its end by a signal."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest

from service.answer import Chatbot
from service.app import create_app
from service.server import bound, serving
from tests.service.scripted import ADMIN_KEY, ScriptedChatbot, opened

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio
from service.app import create_app
from service.server import serving
from tests.service.scripted import ADMIN_KEY, GOOD_ANSWER, ScriptedChatbot, opened

async def main():
    chatbot = ScriptedChatbot(GOOD_ANSWER[0], {silence}, *GOOD_ANSWER[1:])
    app = create_app(opened(chatbot), admin_key=ADMIN_KEY)
    async with serving(app, "127.0.0.1", 0, {grace}) as server:
        print(server.url, flush=True)
    print("closed", flush=True)

asyncio.run(main())
"""
STREAM = {"question": "When can I visit?", "stream": True}


@contextmanager
def process(silence: float, grace: int) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-c", PROGRAM.format(silence=silence, grace=grace)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as running:
        yield running
        running.kill()


def streamed(running: subprocess.Popen[str], number: signal.Signals) -> str:
    """A whole stream, during which the service gets a signal."""
    assert running.stdout
    url = running.stdout.readline().strip()
    with httpx.stream("POST", f"{url}/chat", json=STREAM, timeout=30) as response:
        parts = response.iter_text()
        first = next(parts)
        running.send_signal(number)
        return first + "".join(parts)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_answers_finish(number: signal.Signals) -> None:
    with process(silence=1, grace=20) as running:
        text = streamed(running, number)
        assert running.wait(20) == 0
        assert running.stdout
        assert running.stdout.read() == "closed\n"
    assert "event: done" in text


def test_what_does_not_finish_in_time_is_cut_with_a_last_word() -> None:
    with process(silence=600, grace=1) as running:
        text = streamed(running, signal.SIGTERM)
        assert running.wait(20) == 0
    assert "event: done" not in text
    assert text.split("event: ")[-1].startswith("error\n")
    assert "/problems/shutting-down" in text


def test_a_taken_port_is_told_before_anything_is_loaded() -> None:
    loaded = []

    @asynccontextmanager
    async def source() -> AsyncIterator[Chatbot]:
        loaded.append(True)
        async with opened(ScriptedChatbot()) as chatbot:
            yield chatbot

    async def start(port: int) -> None:
        async with serving(create_app(source(), admin_key=ADMIN_KEY), "127.0.0.1", port, 1):
            pass

    with bound("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"127\.0\.0\.1:{port} is not .* in use\): set server\.port"):
            asyncio.run(start(port))
    assert loaded == []


def test_an_error_of_the_loading_comes_out_as_it_is() -> None:
    @asynccontextmanager
    async def source() -> AsyncIterator[Chatbot]:
        raise LookupError("no model")
        yield

    async def start() -> None:
        async with serving(create_app(source(), admin_key=ADMIN_KEY), "127.0.0.1", 0, 1):
            pass

    with pytest.raises(LookupError, match="no model"):
        asyncio.run(start())


def test_the_address_takes_no_connection_before_it_listens() -> None:
    with bound("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(listener.getsockname(), timeout=5)
