"""The linear layers of a base model and their sizes, from its GGUF file's list of tensors."""

import re
from collections.abc import Mapping
from pathlib import Path

from ingest.models import ModelError

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


def linear_shapes(gguf: Path) -> Shapes:
    """(outputs, inputs) of every linear layer, by names such as model.layers.0.self_attn.q_proj.

    Takes a second: the file's header holds the vocabulary. Raises ModelError.
    """
    # Slow to import, and only a gate needs it.
    from gguf import GGUFReader

    try:
        tensors = GGUFReader(gguf).tensors
    except (ValueError, IndexError) as error:
        raise ModelError(f"The base {gguf} is no GGUF file: {error}") from error
    names = {place: name for name, place in LINEAR.items()}
    shapes = {}
    for tensor in tensors:
        if (match := TENSOR.fullmatch(tensor.name)) and match[2] in names:
            inputs, outputs = (int(size) for size in tensor.shape)
            shapes[f"model.layers.{match[1]}.{names[match[2]]}"] = (outputs, inputs)
    return shapes
