"""The linear layers of a base model and their sizes, from its GGUF file's list of tensors."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from adapters.durable import replace_text
from ingest.models import ModelError, file_sha256

# What an adapter can act on: PEFT's name in a layer, and the GGUF's.
LINEAR = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
TENSOR = re.compile(r"blk\.(\d+)\.(\w+)\.weight")

Shapes = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class BaseFile:
    """The GGUF file that serves; what was read of it stays in the folder `cache`, by the file's hash."""

    gguf: Path
    cache: Path

    @cached_property
    def shapes(self) -> Shapes:
        """As `linear_shapes`, which takes over a second; from the cache at every later start."""
        kept = self.cache / f"shapes-{file_sha256(self.gguf)}.json"
        if not kept.is_file():
            self.cache.mkdir(parents=True, exist_ok=True)
            replace_text(kept, json.dumps(linear_shapes(self.gguf)))
        return {name: (outputs, inputs) for name, (outputs, inputs) in json.loads(kept.read_text()).items()}


def read_gguf(path: Path) -> Any:
    """The library's reader of it. Raises ModelError."""
    # Slow to import, and only few need it.
    from gguf import GGUFReader

    try:
        return GGUFReader(path)
    except (OSError, ValueError, IndexError) as error:
        raise ModelError(f"The base {path} is no GGUF file: {error}") from error


def linear_shapes(gguf: Path) -> Shapes:
    """(outputs, inputs) of every linear layer, by names such as model.layers.0.self_attn.q_proj.

    Slow, since the file's header holds the vocabulary. Raises ModelError.
    """
    tensors = read_gguf(gguf).tensors
    names = {place: name for name, place in LINEAR.items()}
    shapes = {}
    for tensor in tensors:
        if (match := TENSOR.fullmatch(tensor.name)) and match[2] in names:
            inputs, outputs = (int(size) for size in tensor.shape)
            shapes[f"model.layers.{match[1]}.{names[match[2]]}"] = (outputs, inputs)
    return shapes
