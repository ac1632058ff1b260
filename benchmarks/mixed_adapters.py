"""What mixed adapters cost: eight answers at a time of one adapter, beside eight of the base and three; one table.

In turn, on the product's prompts with three passages, each prompt once for each way, answers up to 64 tokens. Then
how long a version takes from the order to load it (what a promotion gives) to its first token.
"""

import argparse
import asyncio
import time
from contextlib import aclosing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from engine_agreement import ADAPTER, ENGINES, Prompt, held_back_prompts, opened

from adapters.engines.protocol import Engine, Generation
from adapters.registry import Registry
from configs.load import HOSPITAL

WAYS: dict[str, tuple[str | None, ...]] = {
    "one adapter": (ADAPTER,),
    "base and three": (None, "house-style@1", ADAPTER, f"{ADAPTER}*0.5"),
}
TOGETHER = 8


async def main(arguments: argparse.Namespace) -> None:
    prompts = held_back_prompts(arguments.prompts * arguments.rounds)
    with TemporaryDirectory() as folder:
        engine = await opened(arguments.engine, Path(folder))
        registry = Registry(HOSPITAL.parent / "adapters", Path(folder))
        for name in ("house-style@1", f"{ADAPTER}*0.5"):
            print(f"{name}: first token {await seconds_to_first(engine, registry, name, prompts[0]):.2f} s")
            await engine.unload(name)
            print(f"{name}: again       {await seconds_to_first(engine, registry, name, prompts[1]):.2f} s")
        paces: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(arguments.rounds):
            asked = prompts[number :: arguments.rounds]
            for way, arms in WAYS.items():
                paces[way].append(await pace(engine, asked, arms))
        for way, found in paces.items():
            print(f"{way:16} {median(found):6.1f} tokens/s")
        ratios = sorted(mixed / one for one, mixed in zip(*paces.values(), strict=True))
        print(f"mixed / one adapter: {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
        await engine.close()


async def seconds_to_first(engine: Engine, registry: Registry, name: str, prompt: Prompt) -> float:
    """The gate, loading, the probe and the prompt's reading."""
    began = time.perf_counter()
    await engine.load(registry.verified(name, engine.base))
    async with aclosing(engine.astream(prompt, generation=Generation(adapter=name, max_tokens=8))) as chunks:  # type: ignore[type-var]
        await anext(chunks)
    return time.perf_counter() - began


async def pace(engine: Engine, asked: list[Prompt], arms: tuple[str | None, ...]) -> float:
    places = asyncio.Semaphore(TOGETHER)

    async def tokens(prompt: Prompt, adapter: str | None) -> int:
        async with places:
            generation = Generation(adapter=adapter, max_tokens=64)
            chunks = [chunk async for chunk in engine.astream(prompt, generation=generation)]
        usage = chunks[-1].usage_metadata
        return usage["output_tokens"] if usage else 0

    began = time.perf_counter()
    made = await asyncio.gather(*(tokens(one, arms[number % len(arms)]) for number, one in enumerate(asked)))
    return sum(made) / (time.perf_counter() - began)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=[*ENGINES], default="llamacpp")
    parser.add_argument("--prompts", type=int, default=16, help="a round")
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(main(parser.parse_args()))
