"""torch's key-value caches: the rows of a running batch, and the last prompt read under each adapter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import pad
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from adapters.engines.protocol import EngineError

# Columns for tokens to come: one copy of the cache in so many steps, where DynamicLayer copies it in every step.
ROOM = 64

# Of one row in one layer: (heads, tokens, width of a head) each.
KeysValues = tuple[torch.Tensor, torch.Tensor]


class RowsLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values of all rows; they end in the same column, and shorter ones begin with zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.is_initialized, self.end = True, 0

    def fill(self, rows: Sequence[KeysValues]) -> None:
        self.end = max(keys.shape[1] for keys, _ in rows)
        self.keys = self.padded([keys for keys, _ in rows])
        self.values = self.padded([values for _, values in rows])

    def padded(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        heads, _, width = rows[0].shape
        whole = rows[0].new_zeros(len(rows), heads, self.end + ROOM, width)
        for place, row in zip(whole, rows, strict=True):
            place[:, self.end - row.shape[1] : self.end] = row
        return whole

    def row(self, place: int, tokens: int) -> KeysValues:
        columns = slice(self.end - tokens, self.end)
        return self.keys[place, :, columns], self.values[place, :, columns]

    def update(self, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any) -> KeysValues:
        """Take in each row's next token (rows, heads, 1, width), and give all: (rows, heads, tokens, width)."""
        if self.end == self.keys.shape[2]:
            self.keys, self.values = (pad(one, (0, 0, 0, ROOM)) for one in (self.keys, self.values))
        self.keys[:, :, self.end], self.values[:, :, self.end] = keys[:, :, 0], values[:, :, 0]
        self.end += 1
        return self.keys[:, :, : self.end], self.values[:, :, : self.end]

    def get_seq_length(self) -> int:
        return self.end


@dataclass(frozen=True)
class Prompt:
    """A prompt's tokens and what the model keeps of them, valid under the adapter that read it only."""

    ids: list[int]
    layers: list[KeysValues]

    def shared(self, ids: Sequence[int]) -> int:
        """How many tokens it begins with that need not be read again; the last one always is, for its logits."""
        pairs = enumerate(zip(self.ids, ids[:-1], strict=False))
        return next((n for n, (one, other) in pairs if one != other), min(len(self.ids), len(ids) - 1))

    def beginning(self, config: Any, tokens: int) -> DynamicCache:
        cache = DynamicCache(config=config)
        for number, (keys, values) in enumerate(self.layers if tokens else ()):
            cache.update(keys[None, :, :tokens], values[None, :, :tokens], number)
        return cache


def read_by(cache: DynamicCache) -> list[KeysValues]:
    """What a cache of one row holds, layer by layer."""
    return [(layer.keys[0], layer.values[0]) for layer in cache.layers]


def mask(lengths: Sequence[int], device: torch.device) -> torch.Tensor | None:
    """Which columns each row may see (rows, 1, 1, columns), its next token's among them; None: all see all."""
    if min(lengths) == max(lengths):
        return None
    columns = torch.arange(max(lengths) + 1, device=device)
    begins = max(lengths) - torch.tensor(lengths, device=device)
    return (columns >= begins[:, None])[:, None, None, :]


def check_attention(config: Any, context_tokens: int) -> None:
    """Raises EngineError where a layer does not see the whole context: the batch's mask would be wrong."""
    for layer in DynamicCache(config=config).layers:
        if type(layer) is DynamicSlidingWindowLayer and layer.sliding_window > context_tokens:
            continue
        if type(layer) is not DynamicLayer:
            raise EngineError(
                f"The engine 'peft' answers in batches, so every layer must see all {context_tokens} tokens; this "
                f"model has a {type(layer).__name__}. Use llamacpp or openai, or lower engine.context_tokens."
            )
