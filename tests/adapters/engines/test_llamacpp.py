import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import torch
from langchain_core.messages import HumanMessage, SystemMessage
from safetensors.torch import load_file, save_file

from adapters.engines import probe, wire
from adapters.engines.handoff import Handoff
from adapters.engines.llamacpp import Lane, LlamaCpp, server
from adapters.engines.protocol import AdapterRefused, AdapterWeights, EngineError, Generation, PromptTooLong
from adapters.verify import WEIGHTS
from tests.adapters.conftest import lora_weights
from tests.adapters.engines.conftest import BASE_SHA256
from tests.adapters.small_adapter import lora_config

pytestmark = pytest.mark.asyncio(loop_scope="session")

STYLE = "house-style@1"
LONG = "Count from one to one thousand, in words."


@dataclass
class Answer:
    text: str
    first: probe.Top
    last: dict[str, Any]
    usage: Any


async def ask(engine: LlamaCpp, text: str, adapter: str | None = None, **values: Any) -> Answer:
    messages = [SystemMessage("You answer visitors of a hospital."), HumanMessage(text)]
    generation = Generation(adapter=adapter, **{"max_tokens": 8, "logprobs": 10} | values)
    chunks = [chunk async for chunk in engine.astream(messages, generation=generation)]
    tops = [token["top"] for chunk in chunks for token in chunk.response_metadata.get("logprobs", ())]
    text = "".join(str(chunk.content) for chunk in chunks)
    return Answer(text, dict(tops[0]) if tops else {}, chunks[-1].response_metadata, chunks[-1].usage_metadata)


async def test_the_last_chunk_says_what_made_the_answer(llamacpp: LlamaCpp) -> None:
    for adapter in (None, STYLE):
        answer = await ask(llamacpp, "When can I visit?", adapter, max_tokens=5)
        assert answer.last["timings"].keys() == {"prompt", "answer"}
        said = {key: answer.last[key] for key in ("engine", "base", "adapter", "finish_reason")}
        assert said == {"engine": "llamacpp", "base": BASE_SHA256, "adapter": adapter, "finish_reason": "length"}
        assert answer.usage["output_tokens"] == 5
        assert answer.usage["input_tokens"] > 20


async def test_the_adapter_acts_and_the_base_stays_the_base(llamacpp: LlamaCpp) -> None:
    # Once read, the cache gives all but the last token, whose low bits then differ; so not the first reading.
    await ask(llamacpp, "When can I visit?")
    before = await ask(llamacpp, "When can I visit?")
    adapted = await ask(llamacpp, "When can I visit?", STYLE)
    after = await ask(llamacpp, "When can I visit?")
    assert before.text == after.text
    assert probe.distance(before.first, adapted.first) > probe.ACTS


async def test_stop_text_ends_the_answer(llamacpp: LlamaCpp) -> None:
    whole = await ask(llamacpp, LONG, max_tokens=12)
    word = whole.text.split()[3]
    cut = await ask(llamacpp, LONG, max_tokens=12, stop=(word,))
    assert cut.text == whole.text[: whole.text.index(word)]
    assert cut.last["finish_reason"] == "stop"


@pytest.mark.parametrize(
    "requests", [pytest.param(24, id="24"), pytest.param(200, id="200", marks=pytest.mark.slow)]
)
async def test_mixed_requests_never_get_the_other_arm(llamacpp: LlamaCpp, requests: int) -> None:
    """Another batch changes low bits, so texts may differ; whose first token it is cannot be mistaken."""
    questions = ("When can I visit?", "Where do I park my car?", "How do I get my records?", LONG)
    arms = [(question, adapter) for question in questions for adapter in (None, STYLE)]
    alone = {arm: await ask(llamacpp, *arm) for arm in arms}
    asked = [arms[number * 3 % len(arms)] for number in range(requests)]
    places = asyncio.Semaphore(8)

    async def placed(question: str, adapter: str | None) -> Answer:
        async with places:
            return await ask(llamacpp, question, adapter)

    answers = await asyncio.gather(*(placed(*arm) for arm in asked))
    assert [answer.last["adapter"] for answer in answers] == [adapter for _, adapter in asked]
    for (question, adapter), answer in zip(asked, answers, strict=True):
        own = probe.distance(answer.first, alone[question, adapter].first)
        other = probe.distance(answer.first, alone[question, None if adapter else STYLE].first)
        assert own < other / 2


async def test_the_same_seed_gives_the_same_answer(llamacpp: LlamaCpp) -> None:
    # The first one fills the cache: its last token is then read alone, which changes low bits.
    await ask(llamacpp, LONG)
    texts = [(await ask(llamacpp, LONG, temperature=0.8, seed=seed)).text for seed in (1, 1, 2, 2, 3, 3)]
    assert texts[::2] == texts[1::2]
    assert len(set(texts)) > 1


async def test_an_answer_fits_its_json_schema(llamacpp: LlamaCpp) -> None:
    properties = {"open": {"type": "boolean"}, "hour": {"type": "integer", "minimum": 0, "maximum": 23}}
    schema = {
        "type": "object",
        "properties": properties,
        "required": ["open", "hour"],
        "additionalProperties": False,
    }
    for logprobs in (0, 2):
        answer = await ask(llamacpp, "When can I visit?", json_schema=schema, max_tokens=60, logprobs=logprobs)
        found = json.loads(answer.text)
        assert isinstance(found["open"], bool) and 0 <= found["hour"] <= 23


async def test_a_schema_that_is_none_is_an_error(llamacpp: LlamaCpp) -> None:
    with pytest.raises(EngineError, match="refused the request"):
        await ask(llamacpp, "When can I visit?", json_schema={"type": "nonsense"})


async def test_a_prompt_beyond_the_context_is_too_long(llamacpp: LlamaCpp) -> None:
    with pytest.raises(PromptTooLong, match=r"has \d+ tokens, the context holds 1024"):
        await ask(llamacpp, "where " * 1200)


async def test_an_adapter_that_is_not_loaded_is_refused(llamacpp: LlamaCpp) -> None:
    with pytest.raises(AdapterRefused, match=r"house-style@2 is not loaded; loaded: house-style@1"):
        await ask(llamacpp, "When can I visit?", "house-style@2")


async def test_an_adapter_that_does_nothing_is_refused(
    llamacpp: LlamaCpp, house_style: AdapterWeights, tmp_path: Path
) -> None:
    weights = load_file(Path(house_style.folder) / WEIGHTS)
    still = {key: torch.zeros_like(value) if "lora_B" in key else value for key, value in weights.items()}
    await refused(llamacpp, written(tmp_path, still, r=16), "does not act")


async def test_an_adapter_of_another_base_is_refused(llamacpp: LlamaCpp, tmp_path: Path) -> None:
    only_values = {key: value for key, value in lora_weights(1).items() if "v_proj" in key}
    await refused(llamacpp, written(tmp_path / "values", only_values), "cannot be put on this base")
    await refused(llamacpp, written(tmp_path / "all", lora_weights(2)), "cannot be put on this base")


def written(folder: Path, weights: dict[str, torch.Tensor], **config: Any) -> AdapterWeights:
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / WEIGHTS)
    (folder / "adapter_config.json").write_text(json.dumps(lora_config(**config)))
    return AdapterWeights("odd@1", str(folder), folder.name)


async def refused(engine: LlamaCpp, adapter: AdapterWeights, reason: str) -> None:
    with pytest.raises(AdapterRefused, match=f"odd@1 {reason}"):
        await engine.load(adapter)
    assert engine.adapters() == (STYLE,)


async def test_a_model_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    nowhere = LlamaCpp(
        gguf=tmp_path / "none.gguf", sha256="0" * 64, cache_folder=tmp_path, slots=1, context_tokens=256, threads=1
    )
    with pytest.raises(EngineError, match=r"cannot load .*none\.gguf"):
        await nowhere.open()


class Counting(Handoff[wire.Chunk]):
    """Counts what the thread still puts after the cancel."""

    late = 0

    def put(self, piece: wire.Chunk) -> None:
        self.late += self.cancelled.is_set()
        super().put(piece)


def started(
    lane: Lane, pool: ThreadPoolExecutor, text: str, max_tokens: int
) -> tuple[Counting, asyncio.Future[None]]:
    handoff = Counting(asyncio.get_running_loop())
    body = wire.request([HumanMessage(text)], (), Generation(max_tokens=max_tokens)) | {"return_progress": True}
    return handoff, lane.start(pool, body, handoff)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lane(gguf: Path) -> AsyncIterator[Lane]:
    opened = Lane(await asyncio.to_thread(server, gguf, None, 1, 2048, 2), None)
    yield opened
    await opened.close()


async def test_a_cancelled_answer_stops_and_a_cancelled_waiting_one_never_starts(lane: Lane) -> None:
    with ThreadPoolExecutor(1) as pool:
        running, work = started(lane, pool, LONG, 1500)
        waiting, never = started(lane, pool, LONG, 1500)
        reading = wire.Reading()
        async for batch in running.batches(work):
            if reading.read(batch):
                waiting.cancelled.set()
                running.cancelled.set()
        await never
    assert reading.finish_reason is None
    assert running.late <= 2
    assert [batch async for batch in waiting.batches(never)] == []


async def test_a_long_prompt_is_not_read_to_its_end_once_cancelled(lane: Lane) -> None:
    reading = wire.Reading()
    with ThreadPoolExecutor(1) as pool:
        handoff, work = started(lane, pool, "where " * 1500, 5)
        async for batch in handoff.batches(work):
            handoff.cancelled.set()
            assert reading.read(batch) is None
    assert handoff.late <= 2


async def test_closing_the_stream_stops_the_answer(llamacpp: LlamaCpp) -> None:
    stream = llamacpp.astream([HumanMessage(LONG)], generation=Generation(max_tokens=900))
    async with aclosing(stream):  # type: ignore[type-var]
        await anext(stream)
        ((work, handoff),) = llamacpp._lanes[None]._running.items()
    await asyncio.wait([work])
    assert handoff.cancelled.is_set()
    reading = wire.Reading()
    reading.read([piece async for batch in handoff.batches(work) for piece in batch])
    assert reading.finish_reason is None


async def test_closing_the_engine_ends_its_answers(gguf: Path, tmp_path: Path) -> None:
    engine = await LlamaCpp(
        gguf=gguf, sha256=BASE_SHA256, cache_folder=tmp_path, slots=1, context_tokens=1024, threads=2
    ).open()
    stream = engine.astream([HumanMessage(LONG)], generation=Generation(max_tokens=900))
    await anext(stream)
    closing = asyncio.create_task(engine.close())
    chunks = [chunk async for chunk in stream]
    await closing
    assert chunks[-1].response_metadata["finish_reason"] == "cancelled"
    with pytest.raises(EngineError, match="not open"):
        await ask(engine, "When can I visit?")


async def test_an_unloaded_adapter_is_gone_and_comes_back_from_its_file(
    llamacpp: LlamaCpp, house_style: AdapterWeights
) -> None:
    (file,) = llamacpp.cache_folder.glob(f"{house_style.sha256}*.gguf")
    made = file.stat().st_mtime_ns
    before = await ask(llamacpp, "When can I visit?", STYLE)
    await llamacpp.unload(STYLE)
    assert llamacpp.adapters() == ()
    with pytest.raises(AdapterRefused, match="loaded: none"):
        await ask(llamacpp, "When can I visit?", STYLE)
    await llamacpp.load(house_style)
    after = await ask(llamacpp, "When can I visit?", STYLE)
    assert file.stat().st_mtime_ns == made
    base = await ask(llamacpp, "When can I visit?")
    assert probe.distance(before.first, after.first) < probe.distance(base.first, after.first) / 2
