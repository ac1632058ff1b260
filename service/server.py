"""Runs the application on a socket until a signal ends it in order."""

import asyncio
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LAST_WORDS_SECONDS = 2


class Server(uvicorn.Server):
    """uvicorn, but a signal ends only the serving: the process goes on, closes its models, exits with 0."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self.url = url

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)


@asynccontextmanager
async def serving(app: FastAPI, host: str, port: int, shutdown_seconds: int) -> AsyncIterator[Server]:
    """Serve `app`; gives the server once it answers. Leaving waits for a signal, or for `should_exit`.

    Raises OSError if the port is taken, before the app loads anything, and what the app's lifespan raises.
    At the end, answers have `shutdown_seconds` to finish; later ones are cut with a last `error` event.
    """
    with bound(host, port) as listener:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=shutdown_seconds,
        )
        server = Server(config, url(listener))
        async with app.router.lifespan_context(app):
            listener.listen(config.backlog)
            running = asyncio.create_task(server.serve([listener]))
            yield server
            await running
            if server.server_state.tasks:
                await asyncio.wait(server.server_state.tasks, timeout=LAST_WORDS_SECONDS)


def bound(host: str, port: int) -> socket.socket:
    """A TCP socket that has the address, but takes no connections yet. Raises OSError if it is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only a socket that names its protocol gets TCP_NODELAY; without it every answer waits 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        told = f"{host}:{port} is not to be had ({error.strerror}): set server.port, or stop what has it."
        raise OSError(told) from error
    return listener


def url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
