import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from langchain_core.messages import HumanMessage

from adapters.engines import wire
from adapters.engines.openvino import MOST_TOKENS, OpenVINO
from adapters.engines.protocol import AdapterWeights, EngineError, Generation, PromptTooLong
from tests.adapters.conftest import BASE_SHA256

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHORT = [HumanMessage("When are you open?")]
LONG = [HumanMessage("Count from one to one thousand, in words.")]


@pytest_asyncio.fixture(loop_scope="session")
async def mortal(openvino: OpenVINO) -> AsyncIterator[OpenVINO]:
    """Another engine on the same files, which a test may break."""
    values = openvino.model_dump(include={"gguf", "sha256", "cache_folder", "slots", "context_tokens", "threads"})
    engine = await OpenVINO(**values).open()
    yield engine
    await engine.close()


async def test_a_base_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "base.gguf").write_bytes(b"GGUF and nothing more")
    engine = OpenVINO(
        gguf=tmp_path / "base.gguf",
        sha256=BASE_SHA256,
        cache_folder=tmp_path,
        slots=1,
        context_tokens=256,
        threads=1,
    )
    with pytest.raises(EngineError, match=r"cannot load .*base\.gguf is no GGUF file"):
        await engine.open()


async def test_a_context_of_which_only_the_end_would_be_read_is_refused(openvino: OpenVINO) -> None:
    with pytest.raises(EngineError, match=r"last 8192 tokens .*context_tokens is 8193\. Lower it .* llamacpp"):
        await openvino.model_copy(update={"context_tokens": MOST_TOKENS + 1}).open()


async def test_a_prompt_that_was_cut_is_told_to_be_longer(openvino: OpenVINO) -> None:
    with pytest.raises(PromptTooLong, match="has 8192 or more tokens"):
        await openvino.ainvoke([HumanMessage("Hello " * 9000)])


async def test_a_merged_file_that_is_no_model_is_named(openvino: OpenVINO, tmp_path: Path) -> None:
    (tmp_path / f"{BASE_SHA256[:16]}-base.q8_0.gguf").write_bytes(b"cut short")
    with pytest.raises(EngineError, match="OpenVINO cannot load"):
        await openvino.model_copy(update={"cache_folder": tmp_path}).open()


async def test_a_tokenizer_that_cannot_be_kept_is_named(openvino: OpenVINO, tmp_path: Path) -> None:
    base = f"{BASE_SHA256[:16]}-base.q8_0.gguf"
    (tmp_path / base).symlink_to(openvino.cache_folder / base)
    (kept,) = openvino.cache_folder.glob(f"{base}.tokenizer-*")
    (tmp_path / kept.name).write_text("in its place")
    with pytest.raises(EngineError, match=r"OpenVINO cannot load .*Not a directory"):
        await openvino.model_copy(update={"cache_folder": tmp_path}).open()


async def test_closing_the_stream_frees_its_place(openvino: OpenVINO) -> None:
    async with aclosing(openvino.astream(LONG, generation=Generation(max_tokens=900))) as stream:  # type: ignore[type-var]
        await anext(stream)
    process = openvino._opened()
    assert process.waiting == {}
    # Eight places: were the answer still running, nine could not.
    streams = [openvino.ainvoke(LONG, generation=Generation(max_tokens=2)) for _ in range(9)]
    assert len(await asyncio.gather(*streams)) == 9


async def test_when_the_process_dies_its_answers_say_so_and_another_one_takes_over(
    mortal: OpenVINO, house_style: AdapterWeights
) -> None:
    await mortal.load(house_style)
    adapted = Generation(adapter=house_style.name, max_tokens=5)
    before = await mortal.ainvoke(SHORT, generation=adapted)
    running = mortal.astream(LONG, generation=Generation(max_tokens=900))
    await anext(running)
    mortal._opened().child.kill()
    with pytest.raises(EngineError, match=r"ended with code -9"):
        async for _ in running:
            pass
    # At once, before anybody asks again.
    assert mortal._replacing and not mortal._replacing.done()
    await mortal._replacing
    assert not mortal._opened().ended
    answers = await asyncio.gather(*(mortal.ainvoke(SHORT, generation=adapted) for _ in range(3)))
    assert [one.content for one in answers] == [before.content] * 3
    assert answers[0].response_metadata["adapter"] == house_style.name


async def test_a_process_that_cannot_be_replaced_is_told_and_tried_again(
    mortal: OpenVINO, house_style: AdapterWeights, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await mortal.load(house_style)
    folder = mortal.cache_folder
    mortal.cache_folder = tmp_path
    (tmp_path / f"{BASE_SHA256[:16]}-base.q8_0.gguf").write_bytes(b"cut short")
    mortal._opened().child.kill()
    mortal._opened().child.wait()
    with pytest.raises(EngineError, match="OpenVINO cannot load"):
        await mortal.ainvoke(SHORT)
    assert "could not be replaced: OpenVINO cannot load" in caplog.text
    caplog.clear()
    assert "another one starts" in await mortal.state()
    assert mortal._replacing
    await asyncio.wait([mortal._replacing])
    mortal._replacing = None
    gc.collect()
    assert caplog.text.count("OpenVINO cannot load") == 1
    mortal.cache_folder = folder
    assert (await mortal.ainvoke(SHORT, generation=Generation(adapter=house_style.name))).content


async def test_a_process_that_ended_is_no_ok_and_is_replaced_without_a_question(mortal: OpenVINO) -> None:
    assert await mortal.state() == "ok"
    mortal._opened().child.kill()
    mortal._opened().child.wait()
    assert await mortal.state() == "the generating process ended with code -9; another one starts"
    first = mortal._replacing
    assert await mortal.state() != "ok"
    assert first is not None and mortal._replacing is first
    await first
    assert await mortal.state() == "ok"


async def test_who_leaves_while_the_process_is_replaced_leaves_it_to_the_others(
    mortal: OpenVINO, house_style: AdapterWeights
) -> None:
    await mortal.load(house_style)
    before = running()
    ended = mortal._opened().child
    ended.kill()
    ended.wait()
    for seconds in (0.1, 0.6):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(mortal.ainvoke(SHORT), seconds)
    [started] = running() - before
    assert (await mortal.ainvoke(SHORT, generation=Generation(adapter=house_style.name))).content
    assert mortal._opened().child.pid == started.pid


async def test_closing_the_engine_ends_a_process_that_was_to_replace_another(mortal: OpenVINO) -> None:
    before = running()
    mortal._opened().child.kill()
    mortal._opened().child.wait()
    asked = asyncio.create_task(mortal.ainvoke(SHORT))
    await asyncio.wait([asked], timeout=0.5)
    assert running() - before
    await mortal.close()
    assert not running() - before
    with pytest.raises(EngineError):
        await asked


def running() -> set[psutil.Process]:
    return {child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}


async def test_a_request_that_could_not_be_sent_does_not_hinder_the_end(mortal: OpenVINO) -> None:
    process = mortal._opened()
    process.child.kill()
    process.child.wait()
    with pytest.raises(EngineError, match="ended with code -9"):
        await process.tell("close", model="nobody@1")
    process.send({"id": 1})
    await asyncio.to_thread(process.close)


async def test_a_process_that_hangs_is_killed_and_another_one_takes_over(
    mortal: OpenVINO, house_style: AdapterWeights, caplog: pytest.LogCaptureFixture
) -> None:
    await mortal.load(house_style)
    adapted = Generation(adapter=house_style.name, max_tokens=5)
    before = await mortal.ainvoke(SHORT, generation=adapted)
    hanging = mortal._opened()
    hanging.silence_seconds = 2
    hanging.child.send_signal(signal.SIGSTOP)
    # More than the pipe holds: whoever sends must not wait for the process either.
    asked = [mortal.ainvoke([HumanMessage("Say it again. " * 1_000)], generation=adapted) for _ in range(8)]
    async with asyncio.timeout(30):
        failed = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in failed] == [EngineError] * 8
    assert all("gave no sign for 2 s and was killed. Ask again" in str(one) for one in failed)
    assert "gave no sign for 2 s" in caplog.text
    after = await mortal.ainvoke(SHORT, generation=adapted)
    assert after.content == before.content
    assert after.response_metadata["adapter"] == house_style.name


async def test_a_process_that_hangs_is_no_ok_while_somebody_waits(mortal: OpenVINO) -> None:
    process = mortal._opened()
    process.child.send_signal(signal.SIGSTOP)
    asked = asyncio.create_task(mortal.ainvoke(SHORT))
    mortal.silence_seconds = 2
    state = "ok"
    async with asyncio.timeout(30):
        while state == "ok":
            await asyncio.sleep(0.2)
            state = await mortal.state()
    assert "has given no sign for" in state
    asked.cancel()
    await asyncio.wait([asked])
    assert await mortal.state() == "ok"


async def test_an_idle_process_owes_no_sign(mortal: OpenVINO) -> None:
    process = mortal._opened()
    process.silence_seconds = 1
    await asyncio.sleep(2.5)
    assert not process.ended
    process.silence_seconds = 60
    assert (await mortal.ainvoke(SHORT)).content


async def test_who_leaves_before_the_time_is_over_does_not_hide_that_it_hangs(mortal: OpenVINO) -> None:
    process = mortal._opened()
    process.silence_seconds = 3
    process.child.send_signal(signal.SIGSTOP)
    async with asyncio.timeout(30):
        while not process.ended:
            with suppress(TimeoutError, EngineError):
                await asyncio.wait_for(mortal.ainvoke(SHORT), 0.6)
            # Of three looks, a second apart, one at least comes while nobody waits.
            await asyncio.sleep(0.7)
    assert process.hung


async def test_while_it_generates_the_process_gives_signs_besides_its_replies(mortal: OpenVINO) -> None:
    process = mortal._opened()
    replies: list[wire.Chunk] = []
    take = process.take

    def noted(reply: wire.Chunk) -> None:
        replies.append(reply)
        take(reply)

    process.take = noted  # type: ignore[method-assign]
    while {} not in replies:
        await mortal.ainvoke(LONG, generation=Generation(max_tokens=200))


async def test_closing_what_is_not_there_leaves_the_process_at_rest(openvino: OpenVINO) -> None:
    await asyncio.wait_for(openvino._opened().tell("close", model="nobody@1"), 10)
    assert (await openvino.ainvoke(SHORT)).content


async def test_closing_the_engine_ends_its_answers_and_its_process(mortal: OpenVINO) -> None:
    running = mortal.astream(LONG, generation=Generation(max_tokens=900))
    await anext(running)
    child = mortal._opened().child
    await mortal.close()
    with pytest.raises(EngineError):
        async for _ in running:
            pass
    assert child.poll() == 0
    with pytest.raises(EngineError, match="not open"):
        await mortal.ainvoke(LONG)


async def test_an_adapter_is_unloaded_after_its_running_answers(
    mortal: OpenVINO, house_style: AdapterWeights
) -> None:
    await mortal.load(house_style)
    running = mortal.astream(LONG, generation=Generation(adapter=house_style.name, max_tokens=60))
    chunks = [await anext(running)]
    unloading = asyncio.create_task(mortal.unload(house_style.name))
    chunks += [chunk async for chunk in running]
    await unloading
    assert chunks[-1].response_metadata["adapter"] == house_style.name
    assert chunks[-1].response_metadata["finish_reason"] in ("stop", "length")
