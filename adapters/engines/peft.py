"""torch and PEFT: one thread owns the model, and nobody else ever touches it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGenerationChunk
from peft import LoraConfig, PeftModel
from pydantic import PrivateAttr
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from adapters.base import load_model, load_tokenizer
from adapters.engines import probe, wire
from adapters.engines.detokenize import Detokenized
from adapters.engines.handoff import Handoff
from adapters.engines.protocol import (
    AdapterRefused,
    AdapterWeights,
    Engine,
    EngineError,
    Generation,
    PromptTooLong,
)


@dataclass
class Owned:
    """The model with its adapters. Only the owner thread calls these methods.

    PEFT keeps the active adapter in the modules: called from several threads, it answers with another
    request's adapter, without an error.
    """

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    context_tokens: int

    def load(self, adapter: AdapterWeights) -> None:
        """Raises AdapterRefused where a weight has no place on this base, or a place no weight: PEFT only warns."""
        name, folder, device = module_name(adapter.name), adapter.folder, str(self.model.device)
        try:
            if not isinstance(self.model, PeftModel):
                self.model = PeftModel(self.model, LoraConfig.from_pretrained(folder), adapter_name=name).eval()
            result = self.model.load_adapter(folder, adapter_name=name, torch_device=device)
        except (RuntimeError, ValueError) as error:
            self.unload(adapter.name)
            raise AdapterRefused(f"The adapter {adapter.name} does not fit this base: {error}") from error
        if astray := [*result.missing_keys, *result.unexpected_keys]:
            self.unload(adapter.name)
            raise AdapterRefused(
                f"{len(astray)} weights of the adapter {adapter.name} and layers of this base do not match, "
                f"such as {astray[0]}."
            )

    def unload(self, adapter: str) -> None:
        """The last adapter takes PEFT's layers with it: without one, PEFT's model cannot answer."""
        name = module_name(adapter)
        if not isinstance(self.model, PeftModel) or name not in self.model.peft_config:
            return
        if others := [other for other in self.model.peft_config if other != name]:
            self.model.set_adapter(others[0])
            self.model.delete_adapter(name)
        else:
            self.model = self.model.unload()

    def switch(self, adapter: str | None) -> None:
        """Make the adapter act, or none; then read from the layers which one does."""
        if not isinstance(self.model, PeftModel):
            return
        if adapter is None:
            self.model.base_model.disable_adapter_layers()
        else:
            self.model.base_model.enable_adapter_layers()
            self.model.set_adapter(module_name(adapter))
        acting = {
            None if module.disable_adapters else tuple(module.active_adapters)
            for module in self.model.modules()
            if hasattr(module, "lora_B")
        }
        if acting != {None if adapter is None else (module_name(adapter),)}:
            raise EngineError(f"The adapter {adapter} was set and {acting} act; nothing was generated.")

    @torch.inference_mode()
    def generate(
        self, messages: list[dict[str, Any]], generation: Generation, handoff: Handoff[wire.Chunk]
    ) -> None:
        """Put the answer's pieces, in the chat-completions format, as they come."""
        if handoff.cancelled.is_set():
            return
        self.switch(generation.adapter)
        prompt = self.tokenized(messages, generation.max_tokens)
        started = time.perf_counter()
        text = Detokenized(self.tokenizer, generation.stop)
        finish, first = "length", 0.0
        for token, logits in self.decoded(prompt, generation):
            first = first or time.perf_counter()
            if handoff.cancelled.is_set():
                return
            if token == self.tokenizer.eos_token_id:
                finish = "stop"
                break
            handoff.put(chunk_of(text.add(token), top(logits, token, generation.logprobs, self.tokenizer)))
            if text.stopped:
                finish = "stop"
                break
        handoff.put(chunk_of(text.rest(), None))
        seconds = (first - started, time.perf_counter() - first)
        handoff.put(last_of(finish, prompt.shape[1], len(text.ids), *seconds))

    def tokenized(self, messages: list[dict[str, Any]], max_tokens: int) -> torch.Tensor:
        """The prompt's ids (1, n) in the base's own chat template. Raises PromptTooLong."""
        prompt: torch.Tensor = self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
        )["input_ids"]
        if prompt.shape[1] + max_tokens > self.context_tokens:
            raise PromptTooLong(
                f"The prompt has {prompt.shape[1]} tokens and the answer may have {max_tokens}; the context "
                f"holds {self.context_tokens}. Show fewer passages or raise engine.context_tokens."
            )
        return prompt.to(self.model.device)

    def decoded(self, prompt: torch.Tensor, generation: Generation) -> Iterator[tuple[int, torch.Tensor]]:
        """Token by token with the logits (vocabulary,) that chose it."""
        chance = torch.Generator(device="cpu").manual_seed(generation.seed)
        cache = DynamicCache(config=self.model.config)
        read = prompt
        for _ in range(generation.max_tokens):
            out = self.model(input_ids=read, past_key_values=cache, use_cache=True, logits_to_keep=1)
            logits = out.logits[0, -1].float().cpu()
            token = sampled(logits, generation, chance)
            yield token, logits
            read = torch.tensor([[token]], device=prompt.device)


class Peft(Engine):
    """The dequantised base in `folder`, and adapters; one answer after the other."""

    kind: ClassVar[str] = "peft"

    folder: Path
    sha256: str
    context_tokens: int
    device: str = "cpu"

    _pool: ThreadPoolExecutor = PrivateAttr()
    _owned: Owned = PrivateAttr()
    _loaded: dict[str, AdapterWeights] = PrivateAttr(default_factory=dict)

    async def open(self) -> "Peft":
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="peft-owner")
        self._owned = await self._run(self._load_base)
        return self

    def _load_base(self) -> Owned:
        dtype = torch.bfloat16 if self.device.startswith("cuda") else torch.float32
        model = load_model(self.folder, dtype).to(self.device)
        return Owned(model, load_tokenizer(self.folder), self.context_tokens)

    async def _run(self, work: Any, *values: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *values)

    @property
    def base(self) -> str:
        return self.sha256

    def adapters(self) -> tuple[str, ...]:
        return tuple(self._loaded)

    async def load(self, adapter: AdapterWeights) -> None:
        if adapter.name in self._loaded:
            return
        await self._run(self._owned.load, adapter)
        base = await probe.first_token(self._answer(probe.MESSAGES, (), probe.GENERATION))
        moved = probe.GENERATION.model_copy(update={"adapter": adapter.name})
        try:
            probe.check_acts(adapter.name, base, await probe.first_token(self._answer(probe.MESSAGES, (), moved)))
        except AdapterRefused:
            await self._run(self._owned.unload, adapter.name)
            raise
        self._loaded[adapter.name] = adapter

    async def unload(self, name: str) -> None:
        if self._loaded.pop(name, None):
            await self._run(self._owned.unload, name)

    async def close(self) -> None:
        self._loaded.clear()
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        *,
        generation: Generation = Generation(),
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        self._check_loaded(generation.adapter)
        if generation.json_schema is not None:
            raise EngineError("The engine 'peft' has no JSON-schema output; use openvino, llamacpp or openai.")
        return self._answer(messages, stop or (), generation)

    async def _answer(
        self, messages: Sequence[BaseMessage], stop: Sequence[str], generation: Generation
    ) -> AsyncIterator[ChatGenerationChunk]:
        loop = asyncio.get_running_loop()
        wanted = generation.model_copy(update={"stop": (*generation.stop, *stop)})
        reading, handoff = wire.Reading(), Handoff[wire.Chunk](loop)
        work = loop.run_in_executor(
            self._pool, self._owned.generate, convert_to_openai_messages(messages), wanted, handoff
        )
        try:
            async for chunks in handoff.batches(work):
                if text := reading.read(chunks):
                    yield text
        finally:
            handoff.cancelled.set()
        yield reading.last_chunk(engine=self.kind, base=self.base, adapter=generation.adapter)


def module_name(adapter: str) -> str:
    """PEFT puts the name into module paths, where a dot parts. No two adapters may share one."""
    return adapter.replace("_", "_u").replace(".", "_d")


def sampled(logits: torch.Tensor, generation: Generation, chance: torch.Generator) -> int:
    """Greedy at temperature 0; else out of the likeliest tokens that make up `top_p`."""
    if generation.temperature == 0:
        return int(logits.argmax())
    likely, order = torch.softmax(logits / generation.temperature, dim=-1).sort(descending=True)
    likely[likely.cumsum(-1) - likely >= generation.top_p] = 0
    return int(order[torch.multinomial(likely, 1, generator=chance)])


def top(logits: torch.Tensor, token: int, count: int, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any] | None:
    if not count:
        return None
    logprobs = torch.log_softmax(logits, dim=-1)
    best = logprobs.topk(count)
    listed = [
        {"token": tokenizer.decode([one]), "logprob": value}
        for one, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
    return {"token": tokenizer.decode([token]), "logprob": float(logprobs[token]), "top_logprobs": listed}


def chunk_of(text: str, logprobs: dict[str, Any] | None) -> wire.Chunk:
    return {"choices": [{"delta": {"content": text}, "logprobs": {"content": [logprobs]} if logprobs else None}]}


def last_of(finish: str, prompt: int, answer: int, prompt_seconds: float, answer_seconds: float) -> wire.Chunk:
    return {
        "choices": [{"delta": {}, "finish_reason": finish}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": answer},
        "timings": {"prompt_ms": prompt_seconds * 1000, "predicted_ms": answer_seconds * 1000},
    }
