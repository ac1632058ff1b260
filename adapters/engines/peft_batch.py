"""Answers that torch makes together: they join when their prompt is read, and leave when they end."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import Cache, DynamicCache

from adapters.engines.peft_cache import Prompt, RowsLayer, check_attention, mask, read_by
from adapters.engines.peft_model import Owned
from adapters.engines.peft_row import Row

# Tokens: a running answer's step waits for at most so many of others' prompts.
PIECE = {"cpu": 256, "cuda": 4096}


@dataclass
class Reading:
    """A prompt (1, n) of which `cache` holds the first `read` tokens."""

    row: Row
    prompt: torch.Tensor
    cache: DynamicCache
    read: int


class Batch:
    """At most `slots` answers, each under its own adapter; in a step each gets a token. One thread calls all of it.

    Rows of one adapter are neighbours. A cancelled row leaves at the next step; an error ends the rows of the step
    that it came from, and what they had in the cache goes with them. With `cache_prompt`, the last prompt under
    each adapter is kept, and the next one is read only from where it differs.
    """

    def __init__(self, owned: Owned, slots: int, cache_prompt: bool) -> None:
        check_attention(owned.model.config, owned.context_tokens)
        self.owned = owned
        self.slots = slots
        self.piece = PIECE[owned.model.device.type]
        self.cache_prompt = cache_prompt
        self.waiting: deque[Row] = deque()
        self.reading: Reading | None = None
        self.running: list[Row] = []
        self.layers: list[RowsLayer] = []
        self.kept: dict[str | None, Prompt] = {}

    @property
    def rows(self) -> list[Row]:
        return [*self.waiting, *([self.reading.row] if self.reading else ()), *self.running]

    @torch.inference_mode()
    def step(self) -> bool:
        """A piece of the prompts, and a token for every running answer; False when nothing is left to do."""
        for row in self.rows:
            if row.handoff.cancelled.is_set() and not row.ended:
                row.leave()
        whole = self.read()
        with failing([*self.running, *(one.row for one in whole)]):
            self.arrange(whole)
            self.write()
        return bool(self.rows)

    def read(self) -> list[Reading]:
        """Tokens of prompts, as many as a step has time for; the prompts that end here and whose answers go on."""
        whole: list[Reading] = []
        left = self.piece
        while left > 0 and (reading := self.next_reading(len(whole))):
            tokens = min(left, reading.prompt.shape[1] - reading.read)
            left -= tokens
            if self.read_piece(reading, tokens):
                whole.append(reading)
        return whole

    def next_reading(self, joining: int) -> Reading | None:
        """The prompt that is being read, or the next one where there is a place beside those that join."""
        if self.reading and self.reading.row.ended:
            self.reading = None
        while self.waiting and not self.reading and len(self.living) + joining < self.slots:
            row = self.waiting.popleft()
            if not row.ended:
                with failing([row]):
                    self.reading = self.begun(row)
        return self.reading

    @property
    def living(self) -> list[Row]:
        return [row for row in self.running if not row.ended]

    def begun(self, row: Row) -> Reading:
        prompt = self.owned.tokenized(row.messages, row.generation.max_tokens)
        kept = self.kept.get(row.adapter, Prompt([], []))
        shared = kept.shared(prompt[0].tolist())
        row.begin(self.owned.tokenizer, prompt.shape[1], shared)
        return Reading(row, prompt, kept.beginning(self.owned.model.config, shared), shared)

    def read_piece(self, reading: Reading, tokens: int) -> bool:
        """So many more tokens of the prompt; True once it is read and its answer goes on."""
        row, end = reading.row, reading.read + tokens
        with failing([row]):
            piece = reading.prompt[:, reading.read : end]
            logits = self.owned.forward(piece, [row.adapter], past_key_values=reading.cache, logits_to_keep=1)
            reading.read = end
            if end < reading.prompt.shape[1]:
                return False
            if self.cache_prompt:
                self.kept[row.adapter] = Prompt(reading.prompt[0].tolist(), read_by(reading.cache))
            row.take(logits[0, -1].float(), self.owned.tokenizer)
        self.reading = None
        return not row.ended

    def arrange(self, joining: Sequence[Reading]) -> None:
        """Let the ended rows go, and the new ones in."""
        staying = [place for place, row in enumerate(self.running) if not row.ended]
        if not joining and len(staying) == len(self.running):
            return
        rows = [*(self.running[place] for place in staying), *(one.row for one in joining)]
        order = sorted(range(len(rows)), key=lambda number: rows[number].adapter or "")
        places = [order.index(number) for number in range(len(rows))]
        if not staying:
            self.layers = [RowsLayer() for _ in joining[0].cache.layers] if joining else []
        new = [read_by(one.cache) for one in joining]
        longest = max((row.tokens for row in rows), default=0)
        for number, layer in enumerate(self.layers):
            layer.arrange(staying, [one[number] for one in new], places, longest)
        self.running = [rows[number] for number in order]

    def write(self) -> None:
        """A token for every running answer."""
        if not (rows := self.running):
            return
        device = self.owned.model.device
        tokens = [row.tokens for row in rows]
        logits = self.owned.forward(
            torch.tensor([[row.next] for row in rows], device=device),
            [row.adapter for row in rows],
            past_key_values=Cache(layers=self.layers),
            position_ids=torch.tensor(tokens, device=device)[:, None],
            attention_mask=mask(tokens, device),
            use_cache=True,
            logits_to_keep=1,
        )
        for row, chosen_by in zip(rows, logits[:, -1].float(), strict=True):
            row.tokens += 1
            with failing([row]):
                row.take(chosen_by, self.owned.tokenizer)

    def forget(self, adapter: str) -> None:
        self.kept.pop(adapter, None)

    def fail(self, error: Exception) -> None:
        """End all rows with an error."""
        for row in self.rows:
            row.fail(error)


@contextmanager
def failing(rows: Sequence[Row]) -> Iterator[None]:
    """The owner thread's outermost edge: whatever goes wrong ends these rows, and the others go on."""
    try:
        yield
    except Exception as error:
        for row in rows:
            row.fail(error)
