"""An answer gathered from its events, and its forms in the native API."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from ingest.documents import Passage
from service.events import Citation, Delta, Done, Event, Meta, Sources, Usage
from service.schemas import ChatAnswer, Source
from service.streaming import frame


class Transcript:
    """What an answer's events have said so far."""

    def __init__(self) -> None:
        self.passages: tuple[Passage, ...] = ()
        self.cited: list[int] = []
        self.usage = Usage(0, 0)

    def add(self, event: Event) -> None:
        match event:
            case Meta():
                self.meta = event
            case Sources():
                self.passages = event.passages
            case Citation():
                self.cited.append(event.number)
            case Usage():
                self.usage = event
            case Done():
                self.done = event

    def sources(self) -> list[Source]:
        return numbered(self.passages, self.cited)

    def answer(self) -> ChatAnswer:
        return ChatAnswer(
            message_id=self.meta.message_id,
            conversation_id=self.meta.conversation_id,
            answer=self.done.text,
            sources=self.sources(),
            citations=sorted(self.cited),
            manifest=self.done.manifest.as_dict(),
        )


def numbered(passages: tuple[Passage, ...], cited: list[int]) -> list[Source]:
    return [
        Source(
            number=number,
            title=passage.title,
            place=passage.place,
            source=passage.source,
            text=passage.text,
            score=passage.score,
            cited=number in cited,
        )
        for number, passage in enumerate(passages, start=1)
    ]


async def gathered(events: AsyncGenerator[Event]) -> Transcript:
    transcript = Transcript()
    async with aclosing(events):
        async for event in events:
            transcript.add(event)
    return transcript


async def named_frames(events: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
    """The events as server-sent events named meta, sources, delta, citation, usage and done."""
    transcript = Transcript()
    async with aclosing(events):
        async for event in events:
            transcript.add(event)
            yield frame(payload(event, transcript), type(event).__name__.lower())


def payload(event: Event, transcript: Transcript) -> dict[str, Any]:
    match event:
        case Sources():
            return {"sources": [source.model_dump(exclude={"cited"}) for source in transcript.sources()]}
        case Done():
            return transcript.answer().model_dump(exclude={"sources"})
        case Delta():
            return {"text": event.text}
        case _:
            return asdict(event)
