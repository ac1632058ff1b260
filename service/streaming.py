"""Server-sent events that end well, and work that ends with its client."""

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.problems import error_body, problem_of, report

T = TypeVar("T")
HEARTBEAT = b": still working\n\n"
# For the description of a route that can stream.
STREAMED: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(StreamingResponse):
    """Sends `frames` as server-sent events; closes them when the client goes away.

    The status goes out with the first frame or heartbeat. An error before that is an ordinary error
    response; a later one, and the end of the service, is told by a last event named `error`.
    """

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes], heartbeat_seconds: float) -> None:
        super().__init__(frames, headers=HEADERS)
        self.frames = frames
        self.heartbeat_seconds = heartbeat_seconds
        self.started = False
        self.sending = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await unless_disconnected(receive, self.stream(send))
        except (Exception, asyncio.CancelledError) as error:
            if not self.started:
                raise
            # The headers are gone: the stream is the only place left to say what went wrong.
            report(scope, error)
            await self.put(send, frame(error_body(scope, problem_of(error)), "error"), last=True)

    async def stream(self, send: Send) -> None:
        beating = asyncio.create_task(self.beat(send))
        try:
            async with aclosing(self.frames) as frames:
                async for data in frames:
                    await self.put(send, data)
        finally:
            await ended(beating)
        await self.put(send, b"", last=True)

    async def beat(self, send: Send) -> None:
        while True:
            await asyncio.sleep(self.heartbeat_seconds)
            await self.put(send, HEARTBEAT)

    async def put(self, send: Send, data: bytes, last: bool = False) -> None:
        async with self.sending:
            if not self.started:
                self.started = True
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": data, "more_body": not last})


def frame(data: Mapping[str, Any], event: str | None = None) -> bytes:
    """One server-sent event; JSON escapes line ends, so that one `data:` line holds it."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode(errors="replace")


async def unless_disconnected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Cancels it and raises ClientDisconnect if the client goes away first."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(disconnected(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        await ended(working, leaving)


async def disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def ended(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
