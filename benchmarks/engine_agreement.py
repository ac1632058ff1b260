"""Do an engine and torch choose the same next tokens, with and without the adapter? One printed table.

The engine answers greedily; torch reads the same prompt and answer in one pass, and its likeliest token at each
place is compared. They differ by design: torch computes in float32 on the dequantised weights; llama.cpp rounds
what flows through a quantised layer to 8 bits, and OpenVINO has the merged weights in 8 bits.
"""

import argparse
import asyncio
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import torch
from langchain_core.messages import BaseMessage, convert_to_openai_messages

from adapters.base import dequantised, load_model, load_tokenizer
from adapters.engines.llamacpp import LlamaCpp
from adapters.engines.openvino import OpenVINO
from adapters.engines.peft_model import Owned
from adapters.engines.protocol import Generation
from adapters.pool import split_pool
from adapters.prompt import load_prompt, render
from adapters.registry import Registry
from configs.load import HOSPITAL, load_settings
from ingest.embed import Embedder
from ingest.models import locate
from service.evaluation.questions import read_questions

ADAPTER = "house-style@2"
PASSAGES = 3
Embedded = OpenVINO | LlamaCpp
ENGINES: dict[str, type[OpenVINO] | type[LlamaCpp]] = {"openvino": OpenVINO, "llamacpp": LlamaCpp}
Prompt = list[BaseMessage]


async def main(arguments: argparse.Namespace) -> None:
    base = load_settings(None, {}).settings.engine.base
    sha256 = str(base.sha256)
    prompts = held_back_prompts(arguments.prompts)
    with TemporaryDirectory() as folder:
        adapter = Registry(HOSPITAL.parent / "adapters", Path(folder)).verified(ADAPTER, sha256)
        torch_base = arguments.base or dequantised(locate(base.model, base.sha256), sha256, Path(folder))
        engine = await opened(arguments.engine, Path(folder))
        owned = Owned(load_model(torch_base, torch.float32), load_tokenizer(torch_base), 2048)
        owned.load(adapter)
        print(f"{'':14} | {'tokens':>7} | {'top-1 agrees':>12} | {'|log p| apart':>13} | {'torch moved':>11}")
        for name in (None, ADAPTER):
            places = [place for prompt in prompts for place in await compared(engine, owned, prompt, name)]
            same, apart, moved = (fmean(column) for column in zip(*places, strict=True))
            print(f"{name or 'base':14} | {len(places):7} | {same:12.1%} | {apart:13.3f} | {moved:11.1%}")
        await engine.close()


async def opened(kind: str, folder: Path, cache_prompt: bool = True) -> Embedded:
    """With the adapter loaded."""
    base = load_settings(None, {}).settings.engine.base
    gguf, sha256 = locate(base.model, base.sha256), str(base.sha256)
    engine = await ENGINES[kind](
        gguf=gguf,
        sha256=sha256,
        cache_folder=folder,
        slots=8,
        context_tokens=2048,
        threads=0,
        cache_prompt=cache_prompt,
    ).open()
    await engine.load(Registry(HOSPITAL.parent / "adapters", folder).verified(ADAPTER, sha256))
    return engine


def held_back_prompts(count: int, passages: int = PASSAGES) -> list[Prompt]:
    """What the model sees for questions on documents that the adapter was not trained on."""
    settings = load_settings(None, {}).settings
    held_back = set(Registry(HOSPITAL.parent / "adapters", Path()).resolve(ADAPTER).card.data.held_back)
    asked = [one for one in read_questions(HOSPITAL.parent / "questions.jsonl") if held_back & set(one.documents)]
    questions = [one.question for one in asked[:: max(1, len(asked) // count)][:count]]
    embedder = Embedder(locate(settings.embedder.model, settings.embedder.sha256))
    values = settings.splitter
    pool = split_pool(HOSPITAL.parent / "documents", embedder, values.max_tokens, values.overlap_tokens)
    template = load_prompt(HOSPITAL.parent / "prompts", "house@1")
    pairs = zip(questions, embedder.embed_queries(questions), strict=True)
    return [render(template, question, pool.ranked(vector)[:passages] or None) for question, vector in pairs]


async def compared(
    engine: Embedded, owned: Owned, prompt: Prompt, adapter: str | None
) -> list[tuple[bool, float, bool]]:
    """For each token of the engine's answer: does torch agree, how far apart, and did the adapter move it?"""
    generation = Generation(adapter=adapter, max_tokens=32, logprobs=1)
    chunks = [chunk async for chunk in engine.astream(prompt, generation=generation)]
    answer = [token for chunk in chunks for token in chunk.response_metadata.get("logprobs", ())]
    ids = [token_id(owned, token["token"]) for token in answer]
    own = torch_logprobs(owned, prompt, ids, adapter)
    other = torch_logprobs(owned, prompt, ids, None if adapter else ADAPTER)
    apart = [abs(float(row[id]) - token["logprob"]) for row, id, token in zip(own, ids, answer, strict=True)]
    best, others = own.argmax(-1).tolist(), other.argmax(-1).tolist()
    return [(b == i, a, b != o) for b, i, a, o in zip(best, ids, apart, others, strict=True)]


def token_id(owned: Owned, token: str) -> int:
    (found,) = owned.tokenizer.encode(token, add_special_tokens=False)
    return int(found)


def torch_logprobs(owned: Owned, prompt: Prompt, answer: list[int], adapter: str | None) -> torch.Tensor:
    """What each place of the answer looked like before it was read: (n, vocabulary)."""
    read = owned.tokenized(convert_to_openai_messages(prompt), len(answer))
    whole = torch.cat([read, torch.tensor([answer])], dim=1)
    logits = owned.forward(whole, [adapter], logits_to_keep=len(answer) + 1)
    return logits[0, :-1].log_softmax(-1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--engine", choices=ENGINES, default="openvino")
    parser.add_argument("--base", type=Path, help="the base for torch, where it is dequantised already")
    asyncio.run(main(parser.parse_args()))
