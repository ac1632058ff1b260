import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.engines.openai import ModelGone, OpenAIServer
from adapters.engines.openai_lora import SharedFolder, listed, publish, server_name
from adapters.engines.protocol import AdapterRefused, AdapterWeights, EngineError, Generation
from tests.adapters.engines.openai_server import BASE_TOP, QUESTION, Serve, serving

NAME = "tone-3-0.5-aaaaaaaaaaaa"


@pytest.fixture
def serve() -> Iterator[Serve]:
    with serving() as started:
        yield started


@pytest.fixture
def tone(tmp_path: Path) -> AdapterWeights:
    (tmp_path / "version").mkdir()
    for name in ("adapter_model.safetensors", "adapter_config.json", "card.json"):
        (tmp_path / "version" / name).write_text(f"content of {name}")
    return AdapterWeights("tone@3*0.5", str(tmp_path / "version"), "a" * 64)


def sharing(engine: OpenAIServer, tmp_path: Path) -> OpenAIServer:
    return engine.model_copy(update={"shared": SharedFolder(tmp_path / "shared", "/over/there")})


async def said(engine: OpenAIServer, adapter: str) -> str:
    chunks = [chunk async for chunk in engine.astream(QUESTION, generation=Generation(adapter=adapter))]
    return "".join(str(chunk.content) for chunk in chunks)


async def test_a_server_is_told_to_load_what_was_published_and_to_drop_it(
    serve: Serve, tone: AdapterWeights, tmp_path: Path
) -> None:
    engine, served = serve()
    engine = sharing(engine, tmp_path)
    await engine.load(tone)
    files = {path.name for path in (tmp_path / "shared" / NAME).iterdir()}
    assert files == {"adapter_model.safetensors", "adapter_config.json"}, "PEFT's two files, nothing else"
    assert await said(engine, tone.name) == f"{NAME} speaks."
    await engine.unload(tone.name)
    assert NAME not in await listed(engine.client)
    assert served.adapters == [
        ("load_lora_adapter", {"lora_name": NAME, "lora_path": f"/over/there/{NAME}"}),
        ("unload_lora_adapter", {"lora_name": NAME}),
    ]
    await engine.close()


async def test_what_the_server_has_from_its_start_is_neither_loaded_nor_dropped(
    serve: Serve, tmp_path: Path
) -> None:
    engine, served = serve()
    engine = sharing(engine, tmp_path)
    await engine.load(AdapterWeights("style@1", "/nowhere", "a" * 64))
    await engine.unload("style@1")
    assert served.adapters == []
    await engine.close()


async def test_after_a_restart_what_is_served_already_is_used(
    serve: Serve, tone: AdapterWeights, tmp_path: Path
) -> None:
    engine, served = serve()
    first, second = sharing(engine, tmp_path), sharing(engine, tmp_path)
    await first.load(tone)
    await second.load(tone)
    assert [path for path, _ in served.adapters] == ["load_lora_adapter"]
    await engine.close()


async def test_one_that_does_not_act_is_refused_and_dropped(
    serve: Serve, tone: AdapterWeights, tmp_path: Path
) -> None:
    engine, served = serve(tops={"base": BASE_TOP, "lora-style": BASE_TOP})
    engine = sharing(engine, tmp_path)
    with pytest.raises(AdapterRefused, match="does not act"):
        await engine.load(tone)
    assert engine.adapters() == ()
    assert [path for path, _ in served.adapters] == ["load_lora_adapter", "unload_lora_adapter"]
    await engine.close()


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (404, AdapterRefused, "VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
        (400, AdapterRefused, "refuses tone@3.*no such folder"),
        (500, EngineError, "did not load tone@3"),
    ],
)
async def test_a_server_that_cannot_load_it_says_why(
    serve: Serve, tone: AdapterWeights, tmp_path: Path, status: int, kind: type[EngineError], says: str
) -> None:
    engine, served = serve(loads=status)
    engine = sharing(engine, tmp_path)
    with pytest.raises(kind, match=says):
        await engine.load(tone)
    assert engine.adapters() == ()
    assert served.bodies == [], "nothing was generated without it"
    await engine.close()


async def test_without_a_shared_folder_an_unnamed_adapter_is_refused(serve: Serve, tone: AdapterWeights) -> None:
    engine, _ = serve()
    with pytest.raises(AdapterRefused, match=r"engine\.openai\.shared"):
        await engine.load(tone)
    await engine.close()


def test_a_name_never_means_other_weights(tone: AdapterWeights) -> None:
    other = AdapterWeights(tone.name, tone.folder, "c" * 64)
    assert server_name(tone) == NAME != server_name(other)


def test_what_was_published_before_is_used_only_if_it_is_the_same(tone: AdapterWeights, tmp_path: Path) -> None:
    target = tmp_path / "shared" / NAME
    publish(tone, target)
    publish(tone, target)
    assert [path.name for path in target.parent.iterdir()] == [NAME], "nothing unfinished is left"
    (target / "adapter_config.json").write_text("another strength")
    with pytest.raises(AdapterRefused, match=r"adapter_config\.json is not the file that was published"):
        publish(tone, target)
    shutil.rmtree(target)
    publish(tone, target)
    assert (target / "adapter_config.json").read_text() == "content of adapter_config.json"


async def test_a_server_that_was_started_anew_is_told_again(
    serve: Serve, tone: AdapterWeights, tmp_path: Path
) -> None:
    engine, served = serve()
    engine = sharing(engine, tmp_path)
    await engine.load(tone)
    served.models.remove(NAME)
    texts = await asyncio.gather(*(said(engine, tone.name) for _ in range(4)))
    assert texts == [f"{NAME} speaks."] * 4
    assert [path for path, _ in served.adapters] == ["load_lora_adapter"] * 2
    served.models.remove(NAME)
    served.loads = 500
    with pytest.raises(EngineError, match="did not load tone@3"):
        await said(engine, tone.name)
    await engine.close()


async def test_what_the_server_had_from_its_start_and_lost_is_not_answered_by_the_base(serve: Serve) -> None:
    engine, served = serve()
    await engine.load(AdapterWeights("style@1", "/nowhere", "a" * 64))
    served.models.remove("lora-style")
    with pytest.raises(ModelGone, match="lora-style does not exist"):
        await said(engine, "style@1")
    assert [body["model"] for body in served.bodies].count("base") == 1, "the probe alone asked it"
    await engine.close()
