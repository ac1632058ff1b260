"""The service beside its bare engine: start, memory, tokens a second, first token; one printed table."""

import argparse
import asyncio
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from langchain_core.messages import BaseMessage
from running_service import environment, resident_mib, service
from shared_data import Task, skip_without_data, va

from adapters.engines.protocol import Generation
from adapters.prompt import render
from configs.load import HOSPITAL, load_settings
from ingest.sources import discover
from ingest.sync import sync
from service.answer import Chatbot
from service.build import build
from service.evaluation.questions import read_questions
from service.switches import Overrides

BLOCK = 8
# The hospital's ranker learnt the hospital's questions; other pages are searched as the defaults say.
WITHOUT_RANKER = {"TRIPTYCH__RANKER__ADAPTER": "null", "TRIPTYCH__LAYERS__RETRIEVAL__PASSAGES": "3"}
LONGEST_LINE = 2**20


@dataclass(frozen=True)
class Answer:
    """`own` is what the time to the first token holds beside the engine's work on the prompt."""

    tokens: int
    first: float
    own: float


@dataclass(frozen=True)
class Prompt:
    question: str
    messages: list[BaseMessage]


Ask = Callable[[Prompt], Coroutine[None, None, Answer]]


async def main(arguments: argparse.Namespace) -> None:
    asked, changes = (va_task(), WITHOUT_RANKER) if arguments.va else (hospital_task(), {})
    with TemporaryDirectory() as temporary:
        bare_folder, service_folder = Path(temporary) / "bare", Path(temporary) / "service"
        async with opened(bare_folder, changes) as chatbot:
            for _ in sync(chatbot.corpus, asked.files):
                pass
        shutil.copytree(bare_folder, service_folder)
        with service(service_folder, **changes) as (_, seconds, _):
            print_row("first start, s", f"{seconds:.1f}")
        with service(service_folder, **changes) as (url, seconds, process):
            print_row("warm start, s", f"{seconds:.1f}")
            print_row("memory after load, MiB", f"{resident_mib(process):.0f}")
            async with opened(bare_folder, changes) as chatbot:
                prompts = await prepared(chatbot, asked.questions)
                await compare(chatbot, prompts, address_of(url), arguments.prompts, arguments.streams)
            print_row("memory at the end, MiB", f"{resident_mib(process):.0f}")


def hospital_task() -> Task:
    asked = [
        one for one in read_questions(HOSPITAL.parent / "questions.jsonl") if one.answerable and not one.history
    ]
    files = discover([HOSPITAL.parent / "documents"]).files
    relevant = [frozenset(one.documents) for one in asked]
    return Task("hospital", files, [one.question for one in asked], relevant)


def va_task() -> Task:
    skip_without_data()
    return va("2019-02")


async def compare(
    chatbot: Chatbot, prompts: list[Prompt], address: tuple[str, int], count: int, numbers: list[int]
) -> None:
    """Both sides answer a block of questions in turn, first one, then the other; no cache has seen any before."""
    plan = chatbot.plan(Overrides(), None)
    generation = Generation(adapter=plan.layers.adapter, max_tokens=plan.max_tokens, seed=plan.seed)
    sides: dict[str, Ask] = {
        "engine": lambda prompt: from_engine(chatbot, generation, prompt),
        "service": lambda prompt: from_service(address, prompt),
    }
    print_row(f"\n{plan.layers.adapter or 'base'}", "tokens/s", "first, ms", "not prompt, ms", "answers")
    for streams in numbers:
        rates: dict[str, list[float]] = {name: [] for name in sides}
        answers: dict[str, list[Answer]] = {name: [] for name in sides}
        for turn in range(count // BLOCK):
            asked, prompts = prompts[:BLOCK], prompts[BLOCK:]
            for name in sorted(sides, reverse=bool(turn % 2)):
                rate, made = await rated(sides[name], asked, streams)
                rates[name].append(rate)
                answers[name] += made
                print(f"{streams} streams, {name}: {rate:.1f} tokens/s", file=sys.stderr)
        for name, made in answers.items():
            first, own = (1000 * median(getattr(one, part) for one in made) for part in ("first", "own"))
            cells = (f"{median(rates[name]):.1f}", f"{first:.0f}", f"{own:.0f}", str(len(made)))
            print_row(f"{name}, {streams} streams", *cells)
        ratios = [one / other for one, other in zip(rates["service"], rates["engine"], strict=True)]
        print_row("service / engine", f"{median(ratios):.3f}", f"{min(ratios):.2f} to {max(ratios):.2f}")


async def prepared(chatbot: Chatbot, questions: list[str]) -> list[Prompt]:
    """The final messages of questions for which the search finds something."""
    template = chatbot.prompts[str(chatbot.defaults.layers.prompt)]
    prompts = []
    for question in questions:
        found = await chatbot.search(question, (), None, None, frozenset({"public"}))
        if found.passages:
            prompts.append(Prompt(question, render(template, question, found.passages)))
    return prompts


async def rated(ask: Ask, prompts: list[Prompt], streams: int) -> tuple[float, list[Answer]]:
    places = asyncio.Semaphore(streams)

    async def one(prompt: Prompt) -> Answer:
        async with places:
            return await ask(prompt)

    started = time.perf_counter()
    answers = await asyncio.gather(*map(one, prompts))
    return sum(answer.tokens for answer in answers) / (time.perf_counter() - started), answers


async def from_engine(chatbot: Chatbot, generation: Generation, prompt: Prompt) -> Answer:
    started, first, tokens, timings = time.perf_counter(), 0.0, 0, {"prompt": 0.0}
    async for chunk in chatbot.engine.astream(prompt.messages, generation=generation):
        if chunk.content and not first:
            first = time.perf_counter() - started
        if used := getattr(chunk, "usage_metadata", None):
            tokens, timings = used["output_tokens"], chunk.response_metadata["timings"]
    return Answer(tokens, first, first - timings["prompt"] / 1000)


async def from_service(address: tuple[str, int], prompt: Prompt) -> Answer:
    """Over a bare socket: an HTTP library in Python would take the processor from the service."""
    body = json.dumps({"question": prompt.question, "stream": True}).encode()
    head = f"POST /chat HTTP/1.1\r\nHost: {address[0]}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    reader, writer = await asyncio.open_connection(*address, limit=LONGEST_LINE)
    started, first, name, done = time.perf_counter(), 0.0, b"", b""
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    async for line in reader:
        if line.startswith(b"event: "):
            name = line.strip()
            first = first or (time.perf_counter() - started if name == b"event: delta" else 0.0)
        elif name == b"event: done" and line.startswith(b"data: "):
            done = line
    writer.close()
    manifest = json.loads(done.removeprefix(b"data: "))["manifest"]
    return Answer(manifest["tokens"]["completion"], first, first - manifest["timings"]["prompt"] / 1000)


def address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 80)


@asynccontextmanager
async def opened(folder: Path, changes: Mapping[str, str]) -> AsyncIterator[Chatbot]:
    async with build(load_settings(None, {**environment(folder), **changes}).settings) as chatbot:
        yield chatbot


def print_row(name: str, *cells: str) -> None:
    print(" | ".join((f"{name:24}", *(f"{cell:>14}" for cell in cells))), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--va", action="store_true", help="the shared VA pages instead of the hospital's")
    parser.add_argument("--prompts", type=int, default=24, help="how many each side answers")
    parser.add_argument("--streams", type=int, nargs="*", default=[1, 8])
    asyncio.run(main(parser.parse_args()))
