"""One open engine of each kind with the shipped adapter, for all tests of this folder."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio

from adapters.engines.llamacpp import LlamaCpp
from adapters.engines.openvino import OpenVINO
from adapters.engines.protocol import AdapterWeights
from adapters.registry import Registry
from tests.adapters.conftest import BASE_SHA256, SHIPPED


@pytest.fixture(scope="session")
def house_style(tmp_path_factory: pytest.TempPathFactory) -> AdapterWeights:
    return Registry(SHIPPED, tmp_path_factory.mktemp("own")).verified("house-style@1", BASE_SHA256)


Embedded = TypeVar("Embedded", OpenVINO, LlamaCpp)


async def opened(kind: type[Embedded], gguf: Path, adapter: AdapterWeights, cache: Path) -> Embedded:
    values = {"gguf": gguf, "sha256": BASE_SHA256, "cache_folder": cache}
    engine = await kind(**values, slots=8, context_tokens=1024, threads=2).open()
    await engine.load(adapter)
    return engine


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def llamacpp(
    gguf: Path, house_style: AdapterWeights, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LlamaCpp]:
    engine = await opened(LlamaCpp, gguf, house_style, tmp_path_factory.mktemp("cache"))
    yield engine
    await engine.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def openvino(
    gguf: Path, house_style: AdapterWeights, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OpenVINO]:
    engine = await opened(OpenVINO, gguf, house_style, tmp_path_factory.mktemp("cache"))
    yield engine
    await engine.close()
