"""A model server's adapters: what it lists, and vLLM's endpoints that load and drop one while it runs."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import openai
from openai import AsyncOpenAI

from adapters.card import CONFIG, WEIGHTS
from adapters.engines.protocol import AdapterRefused, AdapterWeights, EngineError
from ingest.durable import kept_folder
from ingest.models import file_sha256


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """A folder that the service writes to and the server reads from; `seen_as` is its path over there."""

    folder: Path
    seen_as: str


def server_name(adapter: AdapterWeights) -> str:
    """A name that never means other weights: a server keeps its prompt cache by it (vllm#42125)."""
    return f"{re.sub('[^a-z0-9._-]', '-', adapter.name)}-{adapter.sha256[:12]}"


async def listed(client: AsyncOpenAI) -> list[str]:
    """The names of the server's models, adapters among them. Raises EngineError."""
    with listing(client):
        return [model.id async for model in client.models.list()]


async def listed_adapters(client: AsyncOpenAI) -> list[str]:
    """Those of the names that are adapters': vLLM tells the model that each is on. Raises EngineError."""
    # A server may answer that lists nothing.
    with listing(client), suppress(openai.NotFoundError):
        return [model.id async for model in client.models.list() if getattr(model, "parent", None)]
    return []


@contextmanager
def listing(client: AsyncOpenAI) -> Iterator[None]:
    try:
        yield
    except openai.OpenAIError as error:
        raise EngineError(f"The server at {client.base_url} does not list its models: {error}") from error


async def load(client: AsyncOpenAI, adapter: AdapterWeights, shared: SharedFolder) -> None:
    """The server serves the adapter from now on. Raises AdapterRefused, EngineError.

    What an earlier start of the service has loaded is served already.
    """
    name = server_name(adapter)
    if name in await listed(client):
        return
    publish(adapter, shared.folder / name)
    try:
        body = {"lora_name": name, "lora_path": f"{shared.seen_as}/{name}"}
        await client.post("/load_lora_adapter", body=body, cast_to=str)
    except openai.NotFoundError as error:
        raise AdapterRefused(
            f"The server at {client.base_url} loads no adapters while it runs: {error}. Start vLLM with "
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, or let it serve the adapter from its start and name it under "
            "engine.openai.adapters."
        ) from error
    except openai.BadRequestError as error:
        raise AdapterRefused(f"The server at {client.base_url} refuses {adapter.name}: {error}") from error
    except openai.OpenAIError as error:
        raise EngineError(f"The server at {client.base_url} did not load {adapter.name}: {error}") from error


async def drop(client: AsyncOpenAI, name: str) -> None:
    """Raises EngineError; one that the server has not is dropped already."""
    try:
        await client.post("/unload_lora_adapter", body={"lora_name": name}, cast_to=str)
    except openai.NotFoundError:
        return
    except openai.OpenAIError as error:
        raise EngineError(f"The server at {client.base_url} did not drop {name}: {error}") from error


def publish(adapter: AdapterWeights, target: Path) -> None:
    """PEFT's two files. A copy that was there before has to hold the very files that the gate has just seen."""
    source = Path(adapter.folder)
    kept_folder(target, partial(copy_files, source))
    check_copy(source, target)


def copy_files(source: Path, target: Path) -> None:
    for name in (WEIGHTS, CONFIG):
        shutil.copy(source / name, target / name)


def check_copy(source: Path, copy: Path) -> None:
    for name in (WEIGHTS, CONFIG):
        if not (copy / name).is_file() or file_sha256(copy / name) != file_sha256(source / name):
            raise AdapterRefused(
                f"{copy / name} is not the file that was published there: expected the content of {source / name}. "
                f"Look who changed it, and remove {copy}."
            )
