"""Which embedded engine is faster on this machine? On the product's prompts, with the adapter; one printed table.

The processor decides: products of eight-bit numbers are quick on some only. In turn, no prompt twice for an engine;
with the cache, a prompt's fixed part is there from the others before it.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from engine_agreement import ADAPTER, ENGINES, Embedded, Prompt, held_back_prompts, opened
from mixed_adapters import TOGETHER, pace

from adapters.engines.protocol import Generation

Way = tuple[str, bool]
WAYS: tuple[Way, ...] = tuple((kind, cached) for kind in ENGINES for cached in (False, True))


@dataclass(frozen=True)
class Alone:
    """Seconds to the first token, and tokens a second from there on."""

    first: float
    rate: float


async def main(arguments: argparse.Namespace) -> None:
    parts = arguments.rounds + 1
    first, *prompts = held_back_prompts(TOGETHER * parts + 1)
    async with AsyncExitStack() as stack:
        engines = {(kind, cached): await stack.enter_async_context(running(kind, cached)) for kind, cached in WAYS}
        for engine in engines.values():
            await alone(engine, first)
        ones = [
            {way: await alone(engine, prompt) for way, engine in engines.items()} for prompt in prompts[::parts]
        ]
        paces = [
            {way: await pace(engine, prompts[number::parts], (ADAPTER,)) for way, engine in engines.items()}
            for number in range(1, parts)
        ]
    for line in table(ones, paces):
        print(line)


def table(ones: Sequence[Mapping[Way, Alone]], paces: Sequence[Mapping[Way, float]]) -> Iterator[str]:
    yield f"{'':16} | first token | one stream | {TOGETHER} streams, prompts counted"
    for kind, cached in WAYS:
        found = [one[kind, cached] for one in ones]
        first, rate = median(one.first for one in found) * 1000, median(one.rate for one in found)
        eight = median(one[kind, cached] for one in paces)
        yield f"{kind + cached * ', cache':16} | {first:8.0f} ms | {rate:6.0f} t/s | {eight:6.0f} t/s"
    for cached in (False, True):
        ahead = sorted(one["openvino", cached] / one["llamacpp", cached] for one in paces)
        range_told = f"{median(ahead):.2f} ({ahead[0]:.2f} to {ahead[-1]:.2f})"
        yield f"openvino / llamacpp{cached * ', cache'}, {TOGETHER} streams: {range_told}"


@asynccontextmanager
async def running(kind: str, cached: bool) -> AsyncIterator[Embedded]:
    with TemporaryDirectory() as folder:
        engine = await opened(kind, Path(folder), cached)
        yield engine
        await engine.close()


async def alone(engine: Embedded, prompt: Prompt) -> Alone:
    began = time.perf_counter()
    async with aclosing(engine.astream(prompt, generation=Generation(adapter=ADAPTER, max_tokens=64))) as chunks:  # type: ignore[type-var]
        await anext(chunks)
        first = time.perf_counter()
        rest = [chunk async for chunk in chunks]
    usage = rest[-1].usage_metadata
    made = usage["output_tokens"] - 1 if usage else 0
    return Alone(first - began, made / (time.perf_counter() - first))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(main(parser.parse_args()))
