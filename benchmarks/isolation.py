"""Does a request ever get another one's adapter or cache? 200 mixed requests four ways; one printed table.

Each answer is compared with the same request alone, without a prompt cache. Low bits depend on what shares a
batch, and on whether a prompt's last token is read alone because the cache holds the others: an answer may
differ from its reference and still be its own arm's. So the likeliest first tokens are compared too: `own` is
the farthest that any lies from its own arm's reference, `other` the nearest that any comes to the other arm's.
"""

import argparse
import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from engine_agreement import ADAPTER, ENGINES, Embedded, Prompt, held_back_prompts, opened

from adapters.engines import probe
from adapters.engines.protocol import Generation

Request = tuple[int, str | None]


@dataclass(frozen=True)
class Answer:
    text: str
    first: probe.Top
    adapter: str | None


async def main(arguments: argparse.Namespace) -> None:
    prompts = held_back_prompts(arguments.prompts)
    requests: list[Request] = [(number, name) for number in range(len(prompts)) for name in (None, ADAPTER)]
    print(f"{'':22} | {'differ: base':>12} | {'adapter':>8} | {'own':>6} | {'other':>6} | wrong adapter")
    many = [request for _ in range(arguments.requests // len(requests)) for request in requests]
    reference: dict[Request, Answer] = {}
    for cached in (False, True):
        with TemporaryDirectory() as folder:
            engine = await opened(arguments.engine, Path(folder), cached)
            made = await answers(engine, prompts, requests, 1)
            reference = reference or dict(zip(requests, made, strict=True))
            for together in (1, 8):
                found = await answers(engine, prompts, many, together)
                way = f"{together} at a time, {'cache' if cached else 'no cache'}"
                print(f"{way:22} | {row(list(zip(many, found, strict=True)), reference)}", flush=True)
            await engine.close()


async def answers(engine: Embedded, prompts: list[Prompt], requests: list[Request], together: int) -> list[Answer]:
    places = asyncio.Semaphore(together)

    async def one(number: int, adapter: str | None) -> Answer:
        generation = Generation(adapter=adapter, max_tokens=24, logprobs=10)
        async with places:
            chunks = [chunk async for chunk in engine.astream(prompts[number], generation=generation)]
        (first, *_) = [token for chunk in chunks for token in chunk.response_metadata.get("logprobs", ())]
        text = "".join(str(chunk.content) for chunk in chunks)
        return Answer(text, dict(first["top"]), chunks[-1].response_metadata["adapter"])

    return await asyncio.gather(*(one(*request) for request in requests))


def row(found: list[tuple[Request, Answer]], reference: Mapping[Request, Answer]) -> str:
    def differ(name: str | None) -> str:
        of_arm = [(request, answer) for request, answer in found if request[1] == name]
        return f"{sum(answer.text != reference[request].text for request, answer in of_arm)} of {len(of_arm)}"

    own = max(probe.distance(answer.first, reference[request].first) for request, answer in found)
    other = min(
        probe.distance(answer.first, reference[number, None if name else ADAPTER].first)
        for (number, name), answer in found
    )
    wrong = sum(answer.adapter != name for (_, name), answer in found)
    return f"{differ(None):>12} | {differ(ADAPTER):>8} | {own:6.3f} | {other:6.3f} | {wrong}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--engine", choices=ENGINES, default="openvino")
    asyncio.run(main(parser.parse_args()))
