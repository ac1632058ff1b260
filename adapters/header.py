"""What a base's GGUF file says of its network: enough to name an adapter's matrices as llama.cpp does."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapters.durable import replace_text
from adapters.shapes import read_gguf

# Whether llama.cpp has the rows of query and key in the order of its rotary embedding, two by two, or as they are
# (its convert_hf_to_gguf.py: `permute` in LlamaModel, nothing of it in Qwen2Model and Qwen3Model).
INTERLEAVED = {"llama": True, "qwen2": False, "qwen3": False}


class ConversionError(ValueError):
    """An adapter or base that cannot be written as a GGUF file."""


@dataclass(frozen=True, slots=True)
class Header:
    """`heads` are those of the queries, `key_heads` those of keys and values."""

    architecture: str
    layers: int
    heads: int
    key_heads: int


def header_of(fields: Mapping[str, Any]) -> Header:
    """From the fields of the library's reader. Raises ConversionError for another architecture."""
    architecture = str(fields["general.architecture"].contents())
    if architecture not in INTERLEAVED:
        known = ", ".join(sorted(INTERLEAVED))
        raise ConversionError(
            f"The base's architecture is {architecture}; adapters can be converted for {known}. "
            "On any other, serve them with engine.kind peft or openai."
        )
    keys = "block_count", "attention.head_count", "attention.head_count_kv"
    return Header(architecture, *(int(fields[f"{architecture}.{key}"].contents()) for key in keys))


def kept_header(gguf: Path, sha256: str, cache: Path) -> Header:
    """As `header_of`, which takes seconds: the file's fields hold its vocabulary. Later from `cache`, by its hash.

    Raises ModelError for what is no GGUF file, and ConversionError.
    """
    kept = cache / f"header-{sha256}.json"
    if not kept.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        replace_text(kept, json.dumps(asdict(header_of(read_gguf(gguf).fields))))
    return Header(**json.loads(kept.read_text(encoding="utf-8")))
