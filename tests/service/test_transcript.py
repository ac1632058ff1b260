"""An answer's events, gathered and told."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence

import pytest

from service.events import Event
from service.transcript import gathered, named_frames
from tests.service.scripted import GOOD_ANSWER


async def played(events: Sequence[Event], closed: list[bool]) -> AsyncGenerator[Event]:
    try:
        for event in events:
            yield event
    finally:
        closed.append(True)


def test_the_json_answer_and_the_stream_say_the_same() -> None:
    async def both() -> tuple[dict[str, object], list[bytes]]:
        whole = (await gathered(played(GOOD_ANSWER, []))).answer().model_dump()
        return whole, [frame async for frame in named_frames(played(GOOD_ANSWER, []))]

    whole, frames = asyncio.run(both())
    last = json.loads(frames[-1].decode().split("data: ")[1])
    shown = json.loads(frames[1].decode().split("data: ")[1])["sources"]
    assert {**last, "sources": [{**source, "cited": True} for source in shown]} == json.loads(json.dumps(whole))


def test_closing_the_frames_closes_the_answer() -> None:
    closed: list[bool] = []

    async def leave_early() -> None:
        frames = named_frames(played(GOOD_ANSWER, closed))
        await anext(frames)
        await frames.aclose()
        assert closed == [True], "left to the garbage collector"

    asyncio.run(leave_early())


@pytest.mark.parametrize("position", range(len(GOOD_ANSWER)))
def test_every_event_has_a_frame_of_its_name(position: int) -> None:
    async def named() -> list[bytes]:
        return [frame async for frame in named_frames(played(GOOD_ANSWER, []))]

    name = type(GOOD_ANSWER[position]).__name__.lower()
    assert asyncio.run(named())[position].startswith(f"event: {name}\ndata: ".encode())
