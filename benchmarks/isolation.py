"""Does a request ever get another one's adapter or cache? 400 mixed requests of four arms; one printed table.

Each answer is compared with the same request alone, without a prompt cache. Low bits depend on what shares a
batch, and on whether a prompt's last token is read alone because the cache holds the others: an answer may
differ from its reference and still be its own arm's. So the likeliest first tokens are compared too: `own` is
the farthest that any lies from its own arm's reference, `other` the nearest that any comes to another arm's.
At last 50 answers are broken off half-way and, while eight answers are being made, the engine's own process is
killed (openvino), a layer of the model fails (peft) or an adapter's lane does (llamacpp); then all of it once more.

With --server URL (a vLLM of the packaged base that reads this machine's files) its own cache stays as it is.
"""

import argparse
import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from engine_agreement import ADAPTER, ENGINES, Prompt, held_back_prompts, opened
from openai import AsyncOpenAI

from adapters.base import dequantised
from adapters.engines import probe
from adapters.engines.llamacpp import LlamaCpp
from adapters.engines.openai import OpenAIServer
from adapters.engines.openai_lora import SharedFolder
from adapters.engines.openvino import OpenVINO
from adapters.engines.peft import Peft
from adapters.engines.protocol import Engine, EngineError, Generation
from adapters.registry import Registry
from configs.load import HOSPITAL, load_settings
from ingest.models import locate

ARMS = (None, "house-style@1", ADAPTER, f"{ADAPTER}*0.5")
Request = tuple[int, str | None]


@dataclass(frozen=True)
class Answer:
    text: str
    first: probe.Top
    adapter: str | None


async def main(arguments: argparse.Namespace) -> None:
    prompts = held_back_prompts(arguments.prompts, arguments.passages)
    requests: list[Request] = [(number, name) for number in range(len(prompts)) for name in ARMS]
    arms = ", ".join(name or "base" for name in ARMS)
    print(f"{'':30} | differ: {arms} | {'own':>6} | {'other':>6} | wrong adapter")
    many = [request for _ in range(arguments.requests // len(requests)) for request in requests]
    reference: dict[Request, Answer] = {}
    for cached in (True,) if arguments.server else (False, True):
        with TemporaryDirectory() as folder:
            engine = await with_arms(arguments, Path(folder), cached)
            made = await answers(engine, prompts, requests, 1)
            reference = reference or dict(zip(requests, made, strict=True))
            if not cached or arguments.server:
                print(f"{'the references themselves':30} | {row(list(reference.items()), reference)}", flush=True)
            for together in arguments.together:
                found = await answers(engine, prompts, many, together)
                way = f"{together} at a time, {'cache' if cached else 'no cache'}"
                print(f"{way:30} | {row(list(zip(many, found, strict=True)), reference)}", flush=True)
            if cached:
                await disturb(engine, prompts)
                found = await answers(engine, prompts, many, 8)
                print(
                    f"{'the same, after disturbances':30} | {row(list(zip(many, found, strict=True)), reference)}"
                )
            await engine.close()


async def with_arms(arguments: argparse.Namespace, folder: Path, cached: bool) -> Engine:
    if arguments.server:
        engine = server_engine(arguments.server, folder / "shared")
    elif arguments.engine == "peft":
        engine = await torch_engine(arguments.base, folder, cached)
    else:
        engine = await opened(arguments.engine, folder, cached)
    registry = Registry(HOSPITAL.parent / "adapters", folder)
    for name in ARMS:
        if name is not None and name not in engine.adapters():
            await engine.load(registry.verified(name, engine.base))
    return engine


def server_engine(url: str, shared: Path) -> Engine:
    base = load_settings(None, {}).settings.engine.base
    return OpenAIServer(
        client=AsyncOpenAI(base_url=url, api_key="none"),
        model="base",
        sha256=str(base.sha256),
        served={},
        shared=SharedFolder(shared, str(shared)),
    )


async def torch_engine(base: Path | None, folder: Path, cached: bool) -> Engine:
    model = load_settings(None, {}).settings.engine.base
    sha256 = str(model.sha256)
    weights = base or dequantised(locate(model.model, model.sha256), sha256, folder)
    return await Peft(folder=weights, sha256=sha256, context_tokens=2048, slots=8, cache_prompt=cached).open()


async def disturb(engine: Engine, prompts: list[Prompt]) -> None:
    """50 answers broken off after their first words, and the engine damaged with eight under way."""
    cancelled = [broken_off(engine, prompts[number % len(prompts)], ARMS[number % 4]) for number in range(50)]
    await asyncio.gather(*cancelled)
    if not isinstance(engine, OpenAIServer):
        asked = [(number % len(prompts), ARMS[number % 4]) for number in range(8)]
        under_way = [asyncio.create_task(answers(engine, prompts, [one], 1)) for one in asked]
        await asyncio.sleep(0.5)
        await damage(engine)
        ended = await asyncio.gather(*under_way, return_exceptions=True)
        failed = sum(isinstance(one, EngineError) for one in ended)
        print(f"{'':30} | 50 broken off; the engine damaged: {failed} of 8 answers failed")


async def damage(engine: Engine) -> None:
    if isinstance(engine, OpenVINO):
        engine._opened().child.kill()
    elif isinstance(engine, LlamaCpp):
        await fail_lane(engine)
    elif isinstance(engine, Peft):
        await fail_once(engine)


async def fail_lane(engine: LlamaCpp) -> None:
    """The running answers of one adapter, at their next token."""
    lane = engine._lanes[ADAPTER]

    def fail(piece: object) -> None:
        raise RuntimeError("a lane failed")

    under_way = list(lane._running)
    if not under_way:
        raise SystemExit(f"No answer of {ADAPTER} was under way, so nothing was damaged: run it again.")
    for handoff in lane._running.values():
        handoff.put = fail  # type: ignore[method-assign]
    await asyncio.wait(under_way)


async def fail_once(engine: Peft) -> None:
    """Half-way through the model, in the first step of at least four rows."""
    failed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail(_: object, inputs: tuple[torch.Tensor, ...], __: object) -> None:
        if inputs[0].shape[0] >= 4:
            loop.call_soon_threadsafe(failed.set)
            raise RuntimeError("a layer failed")

    hook = engine._owned.plain.model.layers[15].register_forward_hook(fail)
    await failed.wait()
    hook.remove()


async def broken_off(engine: Engine, prompt: Prompt, adapter: str | None) -> None:
    generation = Generation(adapter=adapter, max_tokens=60)
    async with aclosing(engine.astream(prompt, generation=generation)) as chunks:  # type: ignore[type-var]
        async for _ in chunks:
            return


async def answers(engine: Engine, prompts: list[Prompt], requests: list[Request], together: int) -> list[Answer]:
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
        probe.distance(answer.first, reference[number, arm].first)
        for (number, name), answer in found
        for arm in ARMS
        if arm != name
    )
    wrong = sum(answer.adapter != name for (_, name), answer in found)
    return f"{', '.join(map(differ, ARMS))} | {own:6.3f} | {other:6.3f} | {wrong}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--together", type=int, nargs="*", default=[1, 8], help="so many requests at a time")
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--passages", type=int, default=3, help="in a prompt; 0 for the question without retrieval")
    parser.add_argument("--engine", choices=(*ENGINES, "peft"), default="openvino")
    parser.add_argument("--base", type=Path, help="the base for peft, where it is dequantised already")
    parser.add_argument("--server", help="the /v1 address of a vLLM, instead of --engine")
    asyncio.run(main(parser.parse_args()))
