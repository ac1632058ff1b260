"""One answer of torch's batch: its request, its sampling, its text and its end."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from adapters.engines import wire
from adapters.engines.detokenize import Detokenized
from adapters.engines.handoff import Handoff
from adapters.engines.protocol import EngineError, Generation


@dataclass(eq=False)
class Row:
    """`done` is set at the end, with an error where there was one. `tokens` are in the cache; `next` is not yet."""

    messages: list[dict[str, Any]]
    generation: Generation
    handoff: Handoff[wire.Chunk]
    done: Future[None] = field(default_factory=Future)

    prompt_tokens: int = field(init=False, default=0)
    cached_tokens: int = field(init=False, default=0)
    tokens: int = field(init=False, default=0)
    next: int = field(init=False)
    text: Detokenized = field(init=False)
    chance: torch.Generator = field(init=False)
    started: float = field(init=False)
    first: float | None = field(init=False, default=None)

    def begin(self, tokenizer: PreTrainedTokenizerBase, prompt_tokens: int, cached_tokens: int) -> None:
        self.prompt_tokens = self.tokens = prompt_tokens
        self.cached_tokens = cached_tokens
        self.text = Detokenized(tokenizer, self.generation.stop)
        self.chance = torch.Generator(device="cpu").manual_seed(self.generation.seed)
        self.started = time.perf_counter()

    @property
    def adapter(self) -> str | None:
        return self.generation.adapter

    @property
    def ended(self) -> bool:
        return self.done.done()

    def take(self, logits: torch.Tensor, tokenizer: PreTrainedTokenizerBase) -> None:
        """Choose the next token by the logits (vocabulary,), and put its text; or end."""
        self.first = self.first or time.perf_counter()
        self.next = sampled(logits, self.generation, self.chance)
        if self.next == tokenizer.eos_token_id:
            return self.end("stop")
        logprobs = top(logits, self.next, self.generation.logprobs, tokenizer)
        self.handoff.put(chunk_of(self.text.add(self.next), logprobs))
        if self.text.stopped:
            self.end("stop")
        elif len(self.text.ids) == self.generation.max_tokens:
            self.end("length")

    def end(self, finish: str) -> None:
        self.handoff.put(chunk_of(self.text.rest(), None))
        self.handoff.put(self.last(finish))
        self.done.set_result(None)

    def last(self, finish: str) -> wire.Chunk:
        first, now = self.first or self.started, time.perf_counter()
        return {
            "choices": [{"delta": {}, "finish_reason": finish}],
            "usage": {
                "prompt_tokens": self.prompt_tokens,
                "completion_tokens": len(self.text.ids),
                "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            },
            "timings": {"prompt_ms": (first - self.started) * 1000, "predicted_ms": (now - first) * 1000},
        }

    def leave(self) -> None:
        """Nobody reads it any more."""
        self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        if self.ended:
            return
        if not isinstance(error, EngineError):
            told = EngineError(f"The model failed while it made this answer; ask again. It says: {error}")
            told.__cause__ = error
            error = told
        self.done.set_exception(error)


def sampled(logits: torch.Tensor, generation: Generation, chance: torch.Generator) -> int:
    """Greedy at temperature 0; else out of the likeliest tokens that make up `top_p`."""
    if generation.temperature == 0:
        return int(logits.argmax())
    # The chance is drawn on the CPU, so that a seed says the same on every machine.
    likely, order = torch.softmax(logits.cpu() / generation.temperature, dim=-1).sort(descending=True)
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
