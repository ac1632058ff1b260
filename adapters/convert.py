"""A PEFT adapter as the GGUF LoRA file that llama.cpp reads."""

import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.card import CONFIG, WEIGHTS
from adapters.durable import replace
from adapters.shapes import read_gguf

KEY = re.compile(r"base_model\.model\.(model\.layers\.\d+\.\w+\.\w+)\.lora_([AB])\.weight")
ARCHITECTURE = "llama"

Matrix = NDArray[np.float32]


class ConversionError(ValueError):
    """An adapter or base that cannot be written as a GGUF LoRA."""


def lora_gguf(folder: Path, base: Path, target: Path) -> Path:
    """Write the adapter in `folder`, for the base GGUF, to `target`; a file that is there already is kept."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f"{target.name}.{os.getpid()}.tmp")
        write(unfinished, base, read_matrices(folder / WEIGHTS), alpha(folder))
        replace(unfinished, target)
    return target


def alpha(folder: Path) -> float:
    """llama.cpp scales by alpha / rank; rank-stabilised LoRA by alpha / sqrt(rank)."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return float(config["lora_alpha"]) * (math.sqrt(config["r"]) if config.get("use_rslora") else 1.0)


def read_matrices(path: Path) -> dict[tuple[str, str], Matrix]:
    """The adapter's matrices by (module, "A" or "B"), as float32."""
    # Slow to import; numpy alone cannot read bfloat16.
    from safetensors.torch import load_file

    matrices = {}
    for key, tensor in load_file(path).items():
        if not (match := KEY.fullmatch(key)):
            raise ConversionError(f"{path.name} has {key}, which is not a LoRA matrix of a linear layer.")
        matrices[match[1], match[2]] = tensor.float().numpy()
    return matrices


def gguf_matrices(
    matrices: dict[tuple[str, str], Matrix], fields: Mapping[str, Any]
) -> dict[tuple[str, str], Matrix]:
    """The same by GGUF's names, rows in llama.cpp's order; `fields` are those of the base's file.

    Raises ConversionError for a layer that the base has not.
    """
    import gguf

    architecture = fields["general.architecture"].contents()
    if architecture != ARCHITECTURE:
        raise ConversionError(f"The base's architecture is {architecture}, only {ARCHITECTURE} can be converted.")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, fields["llama.block_count"].contents())
    heads = {
        "q_proj": fields["llama.attention.head_count"].contents(),
        "k_proj": fields["llama.attention.head_count_kv"].contents(),
    }
    named = {}
    for (module, side), matrix in matrices.items():
        name = names.get_name(f"{module}.weight", try_suffixes=(".weight",))
        if name is None:
            raise ConversionError(f"The base has no layer for the adapter's {module}.")
        kind = module.rpartition(".")[2]
        named[name, side] = interleaved(matrix, heads[kind]) if side == "B" and kind in heads else matrix
    return named


def write(target: Path, base: Path, matrices: dict[tuple[str, str], Matrix], alpha: float) -> None:
    import gguf

    named = gguf_matrices(matrices, read_gguf(base).fields)
    writer = gguf.GGUFWriter(target, ARCHITECTURE)
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
