"""The torch engine beside transformers' own `generate`, on a CPU or a GPU; one printed table.

Both answer the same prompts greedily, in turn. `generate` gets them as one padded batch under one adapter (PEFT's
own layers), the engine as they come, one request each, without its prompt cache; `mixed` are rows of two adapters
and the base, which `generate` cannot answer in one batch. Tokens are counted up to an answer's end.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from engine_agreement import held_back_prompts
from langchain_core.messages import BaseMessage, convert_to_messages, convert_to_openai_messages
from peft import PeftModel

from adapters.base import dequantised, load_model, load_tokenizer
from adapters.engines.peft import Peft
from adapters.engines.protocol import Generation
from adapters.registry import Registry
from configs.load import HOSPITAL, load_settings
from ingest.models import locate

ADAPTERS = "house-style@2", "house-style@1"
WAYS: dict[str, tuple[str | None, ...]] = {"base": (None,), ADAPTERS[0]: ADAPTERS[:1], "mixed": (*ADAPTERS, None)}
MOST = 96
Prompt = list[BaseMessage]
Messages = list[dict[str, Any]]


async def main(arguments: argparse.Namespace) -> None:
    sha256 = str(load_settings(None, {}).settings.engine.base.sha256)
    prompts = [convert_to_messages(one) for one in written_prompts(arguments.prompts)]
    with TemporaryDirectory() as folder:
        base, registry = (
            arguments.base or made_base(Path(folder)),
            Registry(HOSPITAL.parent / "adapters", Path(folder)),
        )
        weights = [registry.verified(name, sha256) for name in ADAPTERS]
        plain = Generate(base, weights[0].folder, arguments.device)
        engine = await Peft(
            folder=base, sha256=sha256, context_tokens=2048, slots=64, cache_prompt=False, device=arguments.device
        ).open()
        for adapter in weights:
            await engine.load(adapter)
        print(f"{'rows':16} | {'streams':>7} | {'engine, tokens/s':>16} | {'generate':>8} | engine / generate")
        for streams in arguments.streams:
            asked = [prompts[number % len(prompts)] for number in range(streams)]
            for name, arms in WAYS.items():
                print(
                    f"{name:16} | {streams:7} | {await compared(engine, plain, asked, arms, arguments.rounds)}",
                    flush=True,
                )
        await engine.close()


def made_base(folder: Path) -> Path:
    base = load_settings(None, {}).settings.engine.base
    return dequantised(locate(base.model, base.sha256), str(base.sha256), folder)


def written_prompts(file: Path | None) -> list[Messages]:
    """Of a file where the machine has no embedder to make them."""
    if file:
        return json.loads(file.read_text())  # type: ignore[no-any-return]
    return [convert_to_openai_messages(one) for one in held_back_prompts(64)]


async def compared(
    engine: Peft, plain: "Generate", asked: list[Prompt], arms: tuple[str | None, ...], rounds: int
) -> str:
    """Tokens a second of both, as medians of the rounds; the first round only warms up."""
    found = []
    for _ in range(rounds + 1):
        own = await engine_pace(engine, asked, arms)
        found.append((own, plain.pace(asked, arms[0] is not None) if len(arms) == 1 else 0.0))
    own, other = (median(column) for column in zip(*found[1:], strict=True))
    ratios = [one / two for one, two in found[1:] if two]
    return f"{own:16.0f} | {other or '':>8.0f} | {median(ratios):.2f}" if ratios else f"{own:16.0f} | {'':>8} |"


async def engine_pace(engine: Peft, asked: list[Prompt], arms: tuple[str | None, ...]) -> float:
    async def tokens(number: int, prompt: Prompt) -> int:
        generation = Generation(adapter=arms[number % len(arms)], max_tokens=MOST)
        chunks = [chunk async for chunk in engine.astream(prompt, generation=generation)]
        usage = chunks[-1].usage_metadata
        return usage["output_tokens"] if usage else 0

    began = time.perf_counter()
    made = await asyncio.gather(*(tokens(number, prompt) for number, prompt in enumerate(asked)))
    return sum(made) / (time.perf_counter() - began)


class Generate:
    """The base under PEFT, with the adapter on or off."""

    def __init__(self, base: Path, adapter: str, device: str) -> None:
        dtype = torch.float32 if device == "cpu" else torch.bfloat16
        self.tokenizer = load_tokenizer(base)
        self.tokenizer.padding_side = "left"
        self.model = PeftModel.from_pretrained(load_model(base, dtype), adapter).to(device).eval()

    @torch.inference_mode()
    def pace(self, asked: list[Prompt], adapted: bool) -> float:
        began = time.perf_counter()
        inputs = self.tokenizer.apply_chat_template(
            [convert_to_openai_messages(prompt) for prompt in asked],
            add_generation_prompt=True,
            padding=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self.model.device)
        if adapted:
            made = self.answers(inputs)
        else:
            with self.model.disable_adapter():
                made = self.answers(inputs)
        return self.counted(made[:, inputs["input_ids"].shape[1] :]) / (time.perf_counter() - began)

    def answers(self, inputs: Any) -> torch.Tensor:
        made: torch.Tensor = self.model.generate(**inputs, max_new_tokens=MOST, do_sample=False)
        return made

    def counted(self, made: torch.Tensor) -> int:
        """Up to each row's end, which is not counted; what fills the row up after it is not, either."""
        return int((made != self.tokenizer.eos_token_id).cumprod(dim=1).sum())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1")
    parser.add_argument("--base", type=Path, help="where the base is dequantised already")
    parser.add_argument("--prompts", type=Path, help="a JSON list of lists of messages, instead of the hospital's")
    parser.add_argument("--streams", nargs="*", type=int, default=[1, 8])
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(main(parser.parse_args()))
