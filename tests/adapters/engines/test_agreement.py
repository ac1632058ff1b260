"""llama.cpp and torch are the same model, with the adapter and without: they choose the same next tokens."""

import json
from contextlib import closing
from pathlib import Path
from statistics import fmean

import pytest
import torch
from langchain_core.messages import BaseMessage, convert_to_openai_messages

from adapters.base import dequantised, load_model, load_tokenizer
from adapters.engines.llamacpp import LlamaCpp
from adapters.engines.peft_model import Owned
from adapters.engines.protocol import AdapterWeights, Generation
from adapters.pool import read_pool
from adapters.prompt import load_prompt, render
from adapters.registry import Registry
from ingest.embed import Embedder
from ingest.parse import Parser
from ingest.split import Splitter
from tests.adapters.conftest import BASE_SHA256, SHIPPED

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.asyncio(loop_scope="session")]

PACK = SHIPPED.parent
PROMPTS, TOKENS = 20, 32


@pytest.fixture(scope="module")
def owned(gguf: Path, house_style: AdapterWeights, derived: Path) -> Owned:
    folder = dequantised(gguf, BASE_SHA256, derived / "base")
    found = Owned(load_model(folder, torch.float32), load_tokenizer(folder), 2048)
    found.load(house_style)
    return found


@pytest.fixture(scope="module")
def prompts(
    house_style: AdapterWeights, embedder: Embedder, tmp_path_factory: pytest.TempPathFactory
) -> list[list[BaseMessage]]:
    """Questions on documents that the adapter was not trained on, with what retrieval finds for them."""
    card = Registry(SHIPPED, tmp_path_factory.mktemp("none")).resolve(house_style.name).card
    rows = [json.loads(line) for line in (PACK / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    asked = [row["question"] for row in rows if set(card.data.held_back) & set(row["documents"])]
    asked = asked[:: len(asked) // PROMPTS][:PROMPTS]
    with closing(Parser()) as parser:
        pool = read_pool(PACK / "documents", parser, Splitter(embedder.count_tokens, 256), embedder)
    template = load_prompt(PACK / "prompts", card.prompt)
    vectors = embedder.embed_queries(asked)
    return [render(template, text, pool.ranked(vector)[:3]) for text, vector in zip(asked, vectors, strict=True)]


async def test_both_engines_choose_the_same_tokens(
    llamacpp: LlamaCpp, owned: Owned, prompts: list[list[BaseMessage]], house_style: AdapterWeights
) -> None:
    same, moved, answers = [], [], set()
    for prompt in prompts:
        ids = await greedy(llamacpp, owned, prompt, house_style.name)
        adapted = likeliest(owned, prompt, ids, house_style.name)
        same += [one == other for one, other in zip(adapted, ids, strict=True)]
        moved.append(likeliest(owned, prompt, ids, None) != adapted)
        answers.add(ids == await greedy(llamacpp, owned, prompt, None))
    assert fmean(same) >= 0.9
    assert fmean(moved) > 0.5, "in torch, the adapter changes what comes next"
    assert False in answers, "in llama.cpp too"


async def greedy(engine: LlamaCpp, owned: Owned, prompt: list[BaseMessage], adapter: str | None) -> list[int]:
    generation = Generation(adapter=adapter, max_tokens=TOKENS, logprobs=1)
    chunks = [chunk async for chunk in engine.astream(prompt, generation=generation)]
    tokens = [token["token"] for chunk in chunks for token in chunk.response_metadata.get("logprobs", ())]
    return [id for token in tokens for id in owned.tokenizer.encode(token, add_special_tokens=False)]


def likeliest(owned: Owned, prompt: list[BaseMessage], answer: list[int], adapter: str | None) -> list[int]:
    """torch's next token at each place, after the tokens of `answer` before it."""
    read = owned.tokenized(convert_to_openai_messages(prompt), len(answer))
    whole = torch.cat([read, torch.tensor([answer])], dim=1)
    logits = owned.forward(whole, [adapter], logits_to_keep=len(answer) + 1)
    return [int(id) for id in logits[0, :-1].argmax(-1)]
