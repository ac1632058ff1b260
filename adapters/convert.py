"""A PEFT adapter as the GGUF LoRA file that llama.cpp reads."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import deserialize

from adapters.card import CONFIG, WEIGHTS
from adapters.header import INTERLEAVED, Header
from adapters.weights import values
from ingest.durable import published_file

KEY = re.compile(r"base_model\.model\.(model\.layers\.\d+\.\w+\.\w+)\.lora_([AB])\.weight")

Matrix = NDArray[np.float32]


class ConversionError(ValueError):
    """An adapter or base that cannot be written as a GGUF file."""


def lora_gguf(folder: Path, base: Header, target: Path) -> Path:
    """Write the adapter in `folder`, for such a base, to `target`; a file that is there already is kept."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with published_file(target) as unfinished:
            write(unfinished, base, read_matrices(folder / WEIGHTS), alpha(folder))
    return target


def alpha(folder: Path) -> float:
    """llama.cpp scales by alpha / rank; rank-stabilised LoRA by alpha / sqrt(rank)."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return float(config["lora_alpha"]) * (math.sqrt(config["r"]) if config.get("use_rslora") else 1.0)


def read_matrices(path: Path) -> dict[tuple[str, str], Matrix]:
    """The adapter's matrices by (module, "A" or "B"), as float32."""
    matrices = {}
    for key, tensor in deserialize(path.read_bytes()):  # type: ignore[no-untyped-call]
        if not (match := KEY.fullmatch(key)):
            raise ConversionError(f"{path.name} has {key}, which is not a LoRA matrix of a linear layer.")
        matrices[match[1], match[2]] = values(tensor).astype(np.float32).reshape(tensor["shape"])
    return matrices


def gguf_matrices(matrices: Mapping[tuple[str, str], Matrix], base: Header) -> dict[tuple[str, str], Matrix]:
    """The same by GGUF's names, rows in llama.cpp's order.

    Raises ConversionError for a layer that the base has not, and for bases of another architecture.
    """
    import gguf

    if base.architecture not in INTERLEAVED:
        known = ", ".join(sorted(INTERLEAVED))
        raise ConversionError(
            f"The base's architecture is {base.architecture}; adapters can be converted for {known}. "
            "On any other, serve them with engine.kind peft or openai."
        )
    kinds = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(kinds[base.architecture], base.layers)
    heads = {"q_proj": base.heads, "k_proj": base.key_heads} if INTERLEAVED[base.architecture] else {}
    named = {}
    for (module, side), matrix in matrices.items():
        name = names.get_name(f"{module}.weight", try_suffixes=(".weight",))
        if name is None:
            raise ConversionError(f"The base has no layer for the adapter's {module}.")
        kind = module.rpartition(".")[2]
        named[name, side] = interleaved(matrix, heads[kind]) if side == "B" and kind in heads else matrix
    return named


def write(target: Path, base: Header, matrices: Mapping[tuple[str, str], Matrix], alpha: float) -> None:
    import gguf

    named = gguf_matrices(matrices, base)
    writer = gguf.GGUFWriter(target, base.architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    for (name, side), matrix in named.items():
        writer.add_tensor(f"{name}.lora_{side.lower()}", matrix)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def interleaved(matrix: Matrix, heads: int) -> Matrix:
    """The rows of a query or key matrix in the order of llama.cpp's rotary embedding; without it nothing fails."""
    rows, columns = matrix.shape
    if rows % (2 * heads):
        raise ConversionError(f"{rows} rows cannot be those of {heads} heads.")
    return matrix.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
