"""What a base's GGUF file says of its network: read once, then kept by the file's hash."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ingest.durable import replace_text
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
MODULES = {place: name for name, place in LINEAR.items()}
TENSOR = re.compile(rf"blk\.(\d+)\.({'|'.join(MODULES)})\.weight")

# Whether llama.cpp has the rows of query and key in the order of its rotary embedding, two by two, or as they are
# (its convert_hf_to_gguf.py: `permute` in LlamaModel, nothing of it in Qwen2Model and Qwen3Model).
INTERLEAVED = {"llama": True, "qwen2": False, "qwen3": False}

Shapes = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Header:
    """`shapes`: name of a linear layer, such as model.layers.0.self_attn.q_proj -> (outputs, inputs).

    `kind` is GGUF's name for how the first of these keeps its numbers, or "". `heads` are those of the queries,
    `key_heads` those of keys and values; both and `layers` are 0 in architectures that no adapter is converted for.
    """

    architecture: str
    layers: int
    heads: int
    key_heads: int
    kind: str
    shapes: Shapes


@dataclass(frozen=True)
class BaseFile:
    """The GGUF file that serves; what was read of it stays in the folder `cache`."""

    gguf: Path
    cache: Path

    @cached_property
    def sha256(self) -> str:
        return file_sha256(self.gguf)

    @cached_property
    def shapes(self) -> Shapes:
        """As in its header. Raises ModelError."""
        return kept_header(self.gguf, self.sha256, self.cache).shapes


def kept_header(gguf: Path, sha256: str, cache: Path) -> Header:
    """As `header_of`, which takes seconds, since the file holds its vocabulary there. Raises ModelError."""
    kept = cache / f"base-{sha256}.json"
    try:
        told = json.loads(kept.read_bytes())
        return Header(**told | {"shapes": {name: tuple(shape) for name, shape in told["shapes"].items()}})
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        # Not there, or damaged, or of another program: it is only a copy.
        header = header_of(read_gguf(gguf))
    cache.mkdir(parents=True, exist_ok=True)
    replace_text(kept, json.dumps(asdict(header)))
    return header


def read_gguf(path: Path) -> Any:
    """The library's reader of it. Raises ModelError."""
    # Slow to import, and only few need it.
    from gguf import GGUFReader

    try:
        return GGUFReader(path)
    except (OSError, ValueError, IndexError) as error:
        raise ModelError(f"The base {path} is no GGUF file: {error}") from error


def header_of(reader: Any) -> Header:
    """Raises ModelError where it does not say what the file's architecture needs."""
    architecture = str(value(reader, "general.architecture"))
    layers, heads, key_heads = counts(reader, architecture) if architecture in INTERLEAVED else (0, 0, 0)
    linear = [tensor for tensor in reader.tensors if TENSOR.fullmatch(tensor.name)]
    kind = str(linear[0].tensor_type.name) if linear else ""
    return Header(architecture, layers, heads, key_heads, kind, dict(map(shape_of, linear)))


def counts(reader: Any, architecture: str) -> tuple[int, int, int]:
    """Layers, heads of the queries, and those of keys and values: without a number of their own, as many."""
    layers, heads = (count(reader, f"{architecture}.{key}") for key in ("block_count", "attention.head_count"))
    key_heads = f"{architecture}.attention.head_count_kv"
    return layers, heads, count(reader, key_heads) if key_heads in reader.fields else heads


def count(reader: Any, key: str) -> int:
    number = value(reader, key)
    if not isinstance(number, int):
        raise ModelError(f"The base's GGUF header has {number!r} as {key}, expected one number: take another base.")
    return number


def value(reader: Any, key: str) -> Any:
    if key not in reader.fields:
        raise ModelError(f"The base's GGUF header has no {key}: the file is damaged, or no language model.")
    return reader.fields[key].contents()


def shape_of(tensor: Any) -> tuple[str, tuple[int, int]]:
    _, layer, module, _ = tensor.name.split(".")
    inputs, outputs = (int(size) for size in tensor.shape)
    return f"model.layers.{layer}.{MODULES[module]}", (outputs, inputs)
