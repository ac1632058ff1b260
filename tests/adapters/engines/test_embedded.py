"""What every embedded engine that batches must do, with the real base and the shipped adapter."""

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from langchain_core.messages import HumanMessage, SystemMessage
from safetensors.torch import load_file, save_file

from adapters.card import WEIGHTS
from adapters.engines import probe
from adapters.engines.llamacpp import LlamaCpp
from adapters.engines.openvino import OpenVINO
from adapters.engines.protocol import AdapterRefused, AdapterWeights, EngineError, Generation, PromptTooLong
from tests.adapters.conftest import BASE_SHA256, lora_weights
from tests.adapters.small_adapter import lora_config

pytestmark = pytest.mark.asyncio(loop_scope="session")

STYLE = "house-style@1"
LONG = "Count from one to one thousand, in words."

Embedded = LlamaCpp | OpenVINO


@pytest.fixture(params=["openvino", "llamacpp"])
def engine(request: pytest.FixtureRequest) -> Embedded:
    opened: Embedded = request.getfixturevalue(request.param)
    return opened


@dataclass
class Answer:
    text: str
    first: probe.Top
    last: dict[str, Any]
    usage: Any


async def ask(engine: Embedded, text: str, adapter: str | None = None, **values: Any) -> Answer:
    messages = [SystemMessage("You answer visitors of a hospital."), HumanMessage(text)]
    generation = Generation(adapter=adapter, **{"max_tokens": 8, "logprobs": 10} | values)
    chunks = [chunk async for chunk in engine.astream(messages, generation=generation)]
    tops = [token["top"] for chunk in chunks for token in chunk.response_metadata.get("logprobs", ())]
    text = "".join(str(chunk.content) for chunk in chunks)
    return Answer(text, dict(tops[0]) if tops else {}, chunks[-1].response_metadata, chunks[-1].usage_metadata)


async def test_the_last_chunk_says_what_made_the_answer(engine: Embedded) -> None:
    for adapter in (None, STYLE):
        answer = await ask(engine, "When can I visit?", adapter, max_tokens=5)
        assert answer.last["timings"].keys() == {"prompt", "answer"}
        said = {key: answer.last[key] for key in ("engine", "base", "adapter", "finish_reason")}
        assert said == {"engine": engine.kind, "base": BASE_SHA256, "adapter": adapter, "finish_reason": "length"}
        assert answer.usage["output_tokens"] == 5
        assert answer.usage["input_tokens"] > 20


async def test_the_adapter_acts_and_the_base_stays_the_base(engine: Embedded) -> None:
    # Once read, the cache gives all but the last token, whose low bits then differ; so not the first reading.
    await ask(engine, "When can I visit?")
    before = await ask(engine, "When can I visit?")
    adapted = await ask(engine, "When can I visit?", STYLE)
    after = await ask(engine, "When can I visit?")
    assert before.text == after.text
    assert probe.distance(before.first, adapted.first) > probe.ACTS


async def test_stop_text_ends_the_answer(engine: Embedded) -> None:
    whole = await ask(engine, LONG, max_tokens=12)
    word = whole.text.split()[3]
    cut = await ask(engine, LONG, max_tokens=12, stop=(word,))
    assert cut.text == whole.text[: whole.text.index(word)]
    assert cut.last["finish_reason"] == "stop"


@pytest.mark.parametrize(
    "requests", [pytest.param(24, id="24"), pytest.param(200, id="200", marks=pytest.mark.slow)]
)
async def test_mixed_requests_never_get_the_other_arm(engine: Embedded, requests: int) -> None:
    """Another batch changes low bits, so texts may differ; whose first token it is cannot be mistaken."""
    questions = ("When can I visit?", "Where do I park my car?", "How do I get my records?", LONG)
    arms = [(question, adapter) for question in questions for adapter in (None, STYLE)]
    alone = {arm: await ask(engine, *arm) for arm in arms}
    asked = [arms[number * 3 % len(arms)] for number in range(requests)]
    places = asyncio.Semaphore(8)

    async def placed(question: str, adapter: str | None) -> Answer:
        async with places:
            return await ask(engine, question, adapter)

    answers = await asyncio.gather(*(placed(*arm) for arm in asked))
    assert [answer.last["adapter"] for answer in answers] == [adapter for _, adapter in asked]
    for (question, adapter), answer in zip(asked, answers, strict=True):
        own = probe.distance(answer.first, alone[question, adapter].first)
        other = probe.distance(answer.first, alone[question, None if adapter else STYLE].first)
        assert own < other / 2


async def test_the_same_seed_gives_the_same_answer(engine: Embedded) -> None:
    # The first one fills the cache: its last token is then read alone, which changes low bits.
    await ask(engine, LONG)
    texts = [(await ask(engine, LONG, temperature=0.8, seed=seed)).text for seed in (1, 1, 2, 2, 3, 3)]
    assert texts[::2] == texts[1::2]
    assert len(set(texts)) > 1


async def test_an_answer_fits_its_json_schema(engine: Embedded) -> None:
    properties = {"open": {"type": "boolean"}, "hour": {"type": "integer", "minimum": 0, "maximum": 23}}
    schema = {
        "type": "object",
        "properties": properties,
        "required": ["open", "hour"],
        "additionalProperties": False,
    }
    for logprobs in (0, 2):
        answer = await ask(engine, "Is the scan approved?", json_schema=schema, max_tokens=60, logprobs=logprobs)
        found = json.loads(answer.text)
        assert isinstance(found["open"], bool) and 0 <= found["hour"] <= 23


async def test_a_schema_that_is_none_is_an_error(engine: Embedded) -> None:
    with pytest.raises(EngineError, match="refused the request"):
        await ask(engine, "When can I visit?", json_schema={"type": "nonsense"})


async def test_a_prompt_beyond_the_context_is_too_long(engine: Embedded) -> None:
    with pytest.raises(PromptTooLong, match=r"has \d+ tokens.* the context holds 1024"):
        await ask(engine, "where " * 1200)


async def test_an_adapter_that_is_not_loaded_is_refused(engine: Embedded) -> None:
    with pytest.raises(AdapterRefused, match=r"house-style@2 is not loaded; loaded: house-style@1"):
        await ask(engine, "When can I visit?", "house-style@2")


async def test_an_adapter_that_does_nothing_is_refused(
    engine: Embedded, house_style: AdapterWeights, tmp_path: Path
) -> None:
    weights = load_file(Path(house_style.folder) / WEIGHTS)
    still = {key: torch.zeros_like(value) if "lora_B" in key else value for key, value in weights.items()}
    await refused(engine, written(tmp_path, still, r=16), "does not act")


async def test_an_adapter_that_acts_otherwise_than_its_card_says_is_refused(
    engine: Embedded, house_style: AdapterWeights
) -> None:
    kept = dict(house_style.probe)
    assert kept["I"] > -0.1, "the shipped card keeps it, and it was met when the engine was opened"
    otherwise = replace(house_style, name="odd@1", probe=(("I", -1.5), ("The", -0.3)))
    await refused(engine, otherwise, "acts otherwise .*'I' has a probability of 0.9., in its card 0.22")


async def test_an_adapter_of_another_base_is_refused(engine: Embedded, tmp_path: Path) -> None:
    only_values = {key: value for key, value in lora_weights(1).items() if "v_proj" in key}
    await refused(engine, written(tmp_path / "values", only_values), "cannot be put on this base")
    await refused(engine, written(tmp_path / "all", lora_weights(2)), "cannot be put on this base")


def written(folder: Path, weights: dict[str, torch.Tensor], **config: Any) -> AdapterWeights:
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / WEIGHTS)
    (folder / "adapter_config.json").write_text(json.dumps(lora_config(**config)))
    return AdapterWeights("odd@1", str(folder), folder.name)


async def refused(engine: Embedded, adapter: AdapterWeights, reason: str) -> None:
    with pytest.raises(AdapterRefused, match=f"odd@1 {reason}"):
        await engine.load(adapter)
    assert engine.adapters() == (STYLE,)


async def test_an_unloaded_adapter_is_gone_and_comes_back_from_its_file(
    engine: Embedded, house_style: AdapterWeights
) -> None:
    (file,) = engine.cache_folder.glob(f"*{house_style.sha256}*.gguf")
    made = file.stat().st_mtime_ns
    before = await ask(engine, "When can I visit?", STYLE)
    await engine.unload(STYLE)
    assert engine.adapters() == ()
    with pytest.raises(AdapterRefused, match="loaded: none"):
        await ask(engine, "When can I visit?", STYLE)
    await engine.load(house_style)
    after = await ask(engine, "When can I visit?", STYLE)
    assert file.stat().st_mtime_ns == made
    base = await ask(engine, "When can I visit?")
    assert probe.distance(before.first, after.first) < probe.distance(base.first, after.first) / 2
