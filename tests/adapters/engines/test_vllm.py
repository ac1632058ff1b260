"""A real vLLM with the packaged base and real adapters over a socket; `make test-vllm` installs and runs it."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import torch
from langchain_core.messages import HumanMessage
from openai import AsyncOpenAI
from safetensors.torch import load_file, save_file

from adapters.base import dequantised
from adapters.card import WEIGHTS
from adapters.engines import probe
from adapters.engines.openai import OpenAIServer
from adapters.engines.openai_lora import SharedFolder, listed
from adapters.engines.protocol import AdapterRefused, AdapterWeights, EngineError, Generation
from adapters.precision import training_dtype
from adapters.registry import Registry
from adapters.strength import at_strength
from tests.adapters.conftest import BASE_SHA256, SHIPPED

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1200)]

START_SECONDS = 600
QUESTIONS = (
    "When are you open?",
    "Where do I park?",
    "Who signs the form?",
    "Can my son sleep here?",
    "What is free?",
)


@dataclass(frozen=True)
class Server:
    url: str
    shared: Path


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, gguf: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    program = request.config.getoption("--vllm")
    if program is None:
        pytest.skip("needs --vllm PROGRAM; `make test-vllm` installs and names it")
    folder = tmp_path_factory.mktemp("vllm")
    base = dequantised(gguf, BASE_SHA256, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = {"--served-model-name": "base", "--max-loras": 4, "--max-lora-rank": 16, "--host": "127.0.0.1"}
    arguments |= {"--port": port, "--max-model-len": 2048, "--dtype": fast_dtype()}
    options = [str(part) for pair in arguments.items() for part in pair]
    offline = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    settings = offline | {"VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"}
    running = subprocess.Popen([program, "serve", str(base), "--enable-lora", *options], env=os.environ | settings)
    try:
        wait_until_healthy(running, f"http://127.0.0.1:{port}/health")
        yield Server(f"http://127.0.0.1:{port}/v1", folder / "shared")
    finally:
        running.terminate()
        running.wait()


def fast_dtype() -> str:
    """A processor that does not multiply bfloat16 emulates it: vLLM did not come up in nine minutes."""
    return str(training_dtype()).removeprefix("torch.")


def wait_until_healthy(running: "subprocess.Popen[bytes]", url: str) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        assert running.poll() is None, f"vLLM ended with {running.returncode}; its words are above"
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(1)
    pytest.fail(f"vLLM was not ready after {START_SECONDS} s")


@pytest_asyncio.fixture
async def engine(server: Server) -> AsyncIterator[OpenAIServer]:
    shared = SharedFolder(server.shared, str(server.shared))
    client = AsyncOpenAI(base_url=server.url, api_key="none")
    made = OpenAIServer(client=client, model="base", sha256=BASE_SHA256, served={}, shared=shared)
    yield made
    for name in made.adapters():
        await made.unload(name)
    await made.close()


@pytest.fixture
def arms(tmp_path: Path) -> list[AdapterWeights]:
    """Both shipped versions, and one of them at half strength."""
    registry = Registry(SHIPPED, tmp_path)
    first, second = (registry.verified(f"house-style@{number}", BASE_SHA256) for number in (1, 2))
    return [first, second, at_strength(second, 0.5, tmp_path / "strength")]


async def first_token(engine: OpenAIServer, question: str, adapter: str | None) -> probe.Top:
    generation = Generation(adapter=adapter, max_tokens=1, logprobs=10)
    return await probe.first_token(engine._streamed([HumanMessage(question)], (), generation))


async def test_adapters_are_loaded_act_and_answer_only_for_themselves(
    engine: OpenAIServer, arms: list[AdapterWeights]
) -> None:
    """40 requests eight at a time, each nearer to its own arm's single answer than to any other's."""
    for arm in arms:
        await engine.load(arm)
    names = [None, *(arm.name for arm in arms)]
    alone = {(text, name): await first_token(engine, text, name) for text in QUESTIONS for name in names}
    places = asyncio.Semaphore(8)

    async def asked(text: str, name: str | None) -> tuple[str, str | None, probe.Top]:
        async with places:
            return text, name, await first_token(engine, text, name)

    for text, name, top in await asyncio.gather(*(asked(*pair) for pair in alone for _ in range(2))):
        distances = {other: probe.distance(top, alone[text, other]) for other in names}
        assert min(distances, key=lambda other: distances[other]) == name


async def test_the_answer_names_the_adapter_that_made_it(engine: OpenAIServer, arms: list[AdapterWeights]) -> None:
    await engine.load(arms[1])
    generation = Generation(adapter=arms[1].name, max_tokens=12)
    chunks = [chunk async for chunk in engine.astream([HumanMessage(QUESTIONS[0])], generation=generation)]
    assert "".join(str(chunk.content) for chunk in chunks)
    assert chunks[-1].response_metadata["adapter"] == "house-style@2"
    assert chunks[-1].response_metadata["base"] == BASE_SHA256


async def test_an_unloaded_adapter_is_gone_and_the_base_does_not_answer_for_it(
    engine: OpenAIServer, arms: list[AdapterWeights]
) -> None:
    await engine.load(arms[1])
    await engine.unload("house-style@2")
    assert await listed(engine.client) == ["base"]
    gone = engine._answer(arms[1], [HumanMessage(QUESTIONS[0])], (), probe.GENERATION)
    with pytest.raises(EngineError, match="does not exist"):
        await probe.first_token(gone)


async def test_one_that_changes_nothing_is_refused_and_dropped(
    engine: OpenAIServer, arms: list[AdapterWeights], tmp_path: Path
) -> None:
    shutil.copytree(arms[1].folder, tmp_path / "zero")
    weights = load_file(tmp_path / "zero" / WEIGHTS)
    save_file({name: torch.zeros_like(values) for name, values in weights.items()}, tmp_path / "zero" / WEIGHTS)
    with pytest.raises(AdapterRefused, match="does not act"):
        await engine.load(AdapterWeights("zero@1", str(tmp_path / "zero"), "0" * 64))
    assert await listed(engine.client) == ["base"]
    assert engine.adapters() == ()


async def test_what_the_server_cannot_serve_is_told_in_its_words(
    engine: OpenAIServer, arms: list[AdapterWeights], tmp_path: Path
) -> None:
    shutil.copytree(arms[1].folder, tmp_path / "wide")
    weights = load_file(tmp_path / "wide" / WEIGHTS)
    save_file({name: widened(name, values) for name, values in weights.items()}, tmp_path / "wide" / WEIGHTS)
    config = (tmp_path / "wide" / "adapter_config.json").read_text()
    (tmp_path / "wide" / "adapter_config.json").write_text(config.replace('"r": 16', '"r": 32'))
    with pytest.raises(EngineError, match="LoRA rank 32 is greater than max_lora_rank 16"):
        await engine.load(AdapterWeights("wide@1", str(tmp_path / "wide"), "1" * 64))
    assert await listed(engine.client) == ["base"]


def widened(name: str, values: torch.Tensor) -> torch.Tensor:
    """Of rank 32 instead of 16."""
    return torch.cat([values, values], dim=0 if ".lora_A." in name else 1)
