import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import torch
from langchain_core.messages import HumanMessage

from adapters.engines.peft import Peft
from adapters.engines.protocol import AdapterRefused, EngineError, Generation, PromptTooLong
from tests.adapters.conftest import loadable, lora_weights, write_adapter
from tests.adapters.small_adapter import BASE_SHA256, LAYERS

NAMES = (None, "house.style@1", "house_style@1")
PROMPTS = ("When?", "Where do I park?", "What does it cost, and whom do I call?")
TOKENS = 8


@pytest.fixture
async def engine(tiny_model: Path) -> AsyncIterator[Peft]:
    opened = await Peft(folder=tiny_model, sha256=BASE_SHA256, context_tokens=256, slots=4).open()
    yield opened
    await opened.close()


@pytest.fixture
async def two(engine: Peft, tmp_path: Path) -> Peft:
    """The engine with two adapters, whose names differ in a character that PEFT cannot have in a name."""
    for seed, name in enumerate(NAMES[1:], start=1):
        assert name
        await engine.load(loadable(name, write_adapter(tmp_path / name, lora_weights(seed))))
    return engine


async def answer(engine: Peft, text: str, adapter: str | None = None, **values: Any) -> tuple[str, Any]:
    """The text, and the last chunk."""
    wanted = Generation(adapter=adapter, **{"max_tokens": TOKENS} | values)
    chunks = [chunk async for chunk in engine.astream([HumanMessage(text)], generation=wanted)]
    return "".join(str(chunk.content) for chunk in chunks), chunks[-1]


async def test_forty_mixed_requests_answer_as_each_does_alone(two: Peft) -> None:
    asked = [(PROMPTS[n % 3], NAMES[(n * 7 // 3) % 3]) for n in range(40)]
    alone = {pair: (await answer(two, *pair))[0] for pair in set(asked)}
    assert len({alone[PROMPTS[0], name] for name in NAMES}) == 3, "the adapters differ"
    together = await asyncio.gather(*(answer(two, *pair) for pair in asked))
    assert [text for text, _ in together] == [alone[pair] for pair in asked]
    assert [last.response_metadata["adapter"] for _, last in together] == [name for _, name in asked]


async def test_a_thread_that_hangs_is_told_of_until_it_goes_on(engine: Peft) -> None:
    engine.silence_seconds = 0.1
    going_on = threading.Event()
    engine._opened().submit(going_on.wait, 60)
    asked = asyncio.create_task(answer(engine, PROMPTS[0]))
    state = "ok"
    while state == "ok":
        await asyncio.sleep(0.05)
        state = await engine.state()
    going_on.set()
    await asked
    assert "no sign for" in state
    assert await engine.state() == "ok"


async def test_an_adapter_leaves_no_trace_in_the_base(engine: Peft, tmp_path: Path) -> None:
    before = [(await answer(engine, text))[0] for text in PROMPTS]
    await engine.load(loadable("style@1", write_adapter(tmp_path / "a", lora_weights(1))))
    await answer(engine, PROMPTS[0], "style@1")
    assert [(await answer(engine, text))[0] for text in PROMPTS] == before
    await engine.unload("style@1")
    assert [(await answer(engine, text))[0] for text in PROMPTS] == before


async def test_an_adapter_can_go_and_come_back_while_another_stays(two: Peft, tmp_path: Path) -> None:
    before = [(await answer(two, PROMPTS[0], name))[0] for name in NAMES]
    await two.unload("house.style@1")
    assert two.adapters() == ("house_style@1",)
    assert (await answer(two, PROMPTS[0], "house_style@1"))[0] == before[2]
    await two.load(loadable("house.style@1", tmp_path / "house.style@1"))
    assert [(await answer(two, PROMPTS[0], name))[0] for name in NAMES] == before


async def test_the_last_chunk_tells_what_answered(two: Peft) -> None:
    _, last = await answer(two, "When?", "house.style@1")
    assert last.content == ""
    assert last.response_metadata["base"] == BASE_SHA256
    assert last.response_metadata["adapter"] == "house.style@1"
    assert last.response_metadata["finish_reason"] in ("stop", "length")
    assert last.usage_metadata["output_tokens"] <= TOKENS
    assert last.usage_metadata["input_tokens"] > len("When?")


async def test_a_reader_who_leaves_stops_the_generation(engine: Peft) -> None:
    stream = engine.astream([HumanMessage("When?")], generation=Generation(max_tokens=200, seed=1, temperature=2.0))
    async with aclosing(stream):  # type: ignore[type-var]
        async for _ in stream:
            break
    text, last = await answer(engine, "When?")
    assert (text, last.usage_metadata["output_tokens"]) == (await reference(engine), TOKENS)


async def reference(engine: Peft) -> str:
    return (await answer(engine, "When?"))[0]


async def test_many_who_leave_do_not_disturb_those_who_stay(two: Peft) -> None:
    alone = (await answer(two, PROMPTS[1], "house.style@1"))[0]
    leaving = [
        asyncio.create_task(answer(two, PROMPTS[2], NAMES[n % 3], max_tokens=100, temperature=2.0))
        for n in range(9)
    ]
    staying = asyncio.create_task(answer(two, PROMPTS[1], "house.style@1"))
    await asyncio.sleep(0.05)
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    assert (await staying)[0] == alone


async def test_an_adapter_that_is_not_loaded_is_refused(two: Peft) -> None:
    with pytest.raises(AdapterRefused, match=r"other@1 is not loaded; loaded: house\.style@1, house_style@1"):
        await answer(two, "When?", "other@1")


async def test_an_adapter_that_does_nothing_is_refused(engine: Peft, tmp_path: Path) -> None:
    weights = {key: value * ("lora_A" in key) for key, value in lora_weights(1).items()}
    with pytest.raises(AdapterRefused, match="style@1 does not act"):
        await engine.load(loadable("style@1", write_adapter(tmp_path / "a", weights)))
    assert engine.adapters() == ()
    await load_good(engine, tmp_path)


async def load_good(engine: Peft, tmp_path: Path) -> None:
    """The refusal left nothing behind: base and a good adapter of the same name still answer."""
    await engine.load(loadable("style@1", write_adapter(tmp_path / "good", lora_weights(2))))
    assert (await answer(engine, "When?", "style@1"))[0] != (await answer(engine, "When?"))[0]


def fewer_layers() -> dict[str, torch.Tensor]:
    return lora_weights(1, layers=LAYERS - 1)


def more_layers() -> dict[str, torch.Tensor]:
    return lora_weights(1, layers=LAYERS + 1)


def wider() -> dict[str, torch.Tensor]:
    return {key: value.repeat(1, 2) if "lora_A" in key else value for key, value in lora_weights(1).items()}


@pytest.mark.parametrize("weights", [fewer_layers, more_layers, wider])
@pytest.mark.parametrize("first", [True, False])
async def test_weights_of_another_base_are_refused(
    engine: Peft, tmp_path: Path, weights: Callable[[], dict[str, torch.Tensor]], first: bool
) -> None:
    base = (await answer(engine, "When?"))[0]
    if not first:
        await engine.load(loadable("other@1", write_adapter(tmp_path / "other", lora_weights(3))))
    with pytest.raises(AdapterRefused, match=r"style@1"):
        await engine.load(loadable("style@1", write_adapter(tmp_path / "a", weights())))
    assert (await answer(engine, "When?"))[0] == base
    await load_good(engine, tmp_path)


async def test_a_prompt_that_does_not_fit_is_refused_with_the_counts(engine: Peft) -> None:
    with pytest.raises(PromptTooLong, match="the context holds 256"):
        await answer(engine, "When? " * 50)
    with pytest.raises(PromptTooLong, match="the answer may have 250"):
        await answer(engine, "When?", max_tokens=250)
    assert (await answer(engine, "When?"))[0] == await reference(engine)


async def test_a_seed_makes_an_answer_again(engine: Peft) -> None:
    async def drawn(seed: int) -> str:
        return (await answer(engine, "When?", seed=seed, temperature=1.5, top_p=0.95))[0]

    one, again, *others = [await drawn(seed) for seed in (1, 1, 2, 3, 4)]
    assert one == again
    assert len({one, *others}) > 1


async def test_after_a_failure_the_next_answers_are_right(two: Peft) -> None:
    alone = {name: (await answer(two, "When?", name))[0] for name in NAMES}
    layer = two._owned.model.get_base_model().model.layers[1]

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    broken = layer.register_forward_hook(fail)
    for name in NAMES:
        with pytest.raises(RuntimeError, match="out of memory"):
            await answer(two, "When?", name)
    broken.remove()
    assert {name: (await answer(two, "When?", name))[0] for name in reversed(NAMES)} == alone


async def test_an_adapter_whose_probe_fails_does_not_stay(engine: Peft, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    broken = engine._owned.model.model.layers[1].register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        await engine.load(loadable("style@1", write_adapter(tmp_path / "a", lora_weights(1))))
    broken.remove()
    assert not engine._owned.layers


async def test_a_model_that_was_switched_by_another_hand_does_not_answer(two: Peft) -> None:
    await answer(two, "When?", NAMES[2])
    two._owned.model.base_model.enable_adapter_layers()
    for name in NAMES:
        with pytest.raises(EngineError, match="nothing was generated"):
            await answer(two, "When?", name)


async def test_an_adapter_is_unloaded_when_its_answers_have_ended(two: Peft) -> None:
    alone = {name: (await answer(two, "When?", name, max_tokens=100))[0] for name in NAMES}
    asked = [NAMES[n % 3] for n in range(9)]
    under_way = [asyncio.create_task(answer(two, "When?", name, max_tokens=100)) for name in asked]
    await asyncio.sleep(0.02)
    unloading = asyncio.create_task(two.unload("house.style@1"))
    await asyncio.sleep(0)
    with pytest.raises(AdapterRefused, match=r"house\.style@1 is not loaded"):
        await answer(two, "When?", "house.style@1")
    assert [text for text, _ in await asyncio.gather(*under_way)] == [alone[name] for name in asked]
    await unloading
    assert list(two._owned.layers) == ["house_ustyle@1"]


async def test_an_adapter_that_comes_back_at_once_waits_for_its_own_going(two: Peft, tmp_path: Path) -> None:
    alone = (await answer(two, "When?", "house.style@1"))[0]
    under_way = asyncio.create_task(answer(two, "When?", "house.style@1"))
    await asyncio.sleep(0)
    await asyncio.gather(
        two.unload("house.style@1"), two.load(loadable("house.style@1", tmp_path / "house.style@1"))
    )
    assert (await under_way)[0] == (await answer(two, "When?", "house.style@1"))[0] == alone


async def test_closing_ends_what_runs_and_what_waits(tiny_model: Path) -> None:
    engine = await Peft(folder=tiny_model, sha256=BASE_SHA256, context_tokens=1024, slots=2).open()
    wanted = [asyncio.create_task(answer(engine, "When?", max_tokens=900, temperature=2.0)) for _ in range(4)]
    await asyncio.sleep(0.02)
    await engine.close()
    ended = await asyncio.gather(*wanted, return_exceptions=True)
    assert [str(one) for one in ended if isinstance(one, EngineError)], "at least those that waited"
    with pytest.raises(EngineError, match="not open"):
        await answer(engine, "When?")


async def test_a_schema_is_refused_because_it_would_be_ignored(engine: Peft) -> None:
    with pytest.raises(EngineError, match="JSON-schema"):
        await answer(engine, "When?", json_schema={"type": "object"})


async def test_log_probabilities_come_with_every_token(engine: Peft) -> None:
    wanted = Generation(max_tokens=3, logprobs=4)
    chunks = [chunk async for chunk in engine.astream([HumanMessage("When?")], generation=wanted)]
    tokens = [token for chunk in chunks for token in chunk.response_metadata.get("logprobs", ())]
    assert len(tokens) == 3
    for token in tokens:
        assert len(token["top"]) == 4
        assert token["logprob"] == pytest.approx(token["top"][0][1]), "greedy: the likeliest"


async def test_a_stop_text_ends_the_answer_and_is_not_part_of_it(engine: Peft) -> None:
    whole = (await answer(engine, "When?", max_tokens=40, temperature=1.0))[0]
    stop = whole[len(whole) // 2 :][:2]
    text, last = await answer(engine, "When?", max_tokens=40, temperature=1.0, stop=(stop,))
    assert text == whole[: whole.index(stop)]
    assert last.response_metadata["finish_reason"] == "stop"


async def test_a_device_that_is_not_there_is_refused_and_the_cpu_does_not_stand_in(tiny_model: Path) -> None:
    missing = f"cuda:{torch.cuda.device_count()}"
    engine = Peft(folder=tiny_model, sha256=BASE_SHA256, context_tokens=256, slots=1, device=missing)
    with pytest.raises(EngineError, match=f"engine.device is {missing}, and torch .* sees"):
        await engine.open()
    await engine.close()
