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

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.is_initialized, self.end = True, 0

    def arrange(
        self, staying: Sequence[int], new: Sequence[KeysValues], places: Sequence[int], longest: int
    ) -> None:
        """The rows at places `staying`, then new ones, each at its new place; the longest has so many tokens."""
        if not self.end:
            # Nothing is in here yet; of which sizes and type it will be, the new rows tell.
            self.keys, self.values = (one[None, :, :0][:0] for one in new[0])
        self.keys = self.arranged(self.keys, staying, [keys for keys, _ in new], places, longest)
        self.values = self.arranged(self.values, staying, [values for _, values in new], places, longest)
        self.end = longest

    def arranged(
        self,
        whole: torch.Tensor,
        staying: Sequence[int],
        new: Sequence[torch.Tensor],
        places: Sequence[int],
        longest: int,
    ) -> torch.Tensor:
        """All staying rows in one copy: a GPU takes as long to be asked for one row as for all."""
        _, heads, _, width = whole.shape
        result, kept = whole.new_zeros(len(places), heads, longest + ROOM, width), min(self.end, longest)
        result[list(places[: len(staying)]), :, longest - kept : longest] = whole[
            list(staying), :, self.end - kept : self.end
        ]
        for place, row in zip(places[len(staying) :], new, strict=True):
            result[place, :, longest - row.shape[1] : longest] = row
        return result

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
