"""A small adapter's sizes, configuration and card, and the base that it fits, without any heavy library."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np

from adapters.card import Base, Card, TrainingData
from adapters.header import LINEAR

BASE_SHA256 = "b" * 64
LAYERS, WIDTH, RANK = 2, 32, 4
WIDTHS = {
    "self_attn.q_proj": (WIDTH, WIDTH),
    "self_attn.k_proj": (WIDTH // 2, WIDTH),
    "self_attn.v_proj": (WIDTH // 2, WIDTH),
    "self_attn.o_proj": (WIDTH, WIDTH),
    "mlp.gate_proj": (2 * WIDTH, WIDTH),
    "mlp.up_proj": (2 * WIDTH, WIDTH),
    "mlp.down_proj": (WIDTH, 2 * WIDTH),
}
SHAPES = {f"model.layers.{layer}.{name}": shape for layer in range(LAYERS) for name, shape in WIDTHS.items()}


def lora_config(**changes: Any) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": 2 * RANK,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted(module.rpartition(".")[2] for module in WIDTHS),
        "base_model_name_or_path": None,
        "inference_mode": True,
    } | changes


def card(weights_sha256: str, **changes: Any) -> Card:
    return Card(
        name="style",
        created="2026-11-22T12:00:00+00:00",
        weights_sha256=weights_sha256,
        base=Base(
            uri="file:base.gguf",
            sha256=BASE_SHA256,
            tokenizer_sha256="1" * 64,
            chat_template_sha256="2" * 64,
        ),
        prompt="house@1",
        prompt_sha256="3" * 64,
        data=TrainingData(sha256="4" * 64, examples=3, rows=4, validation_rows=1, held_back=("parking.md",)),
        recipe={},
        libraries={"peft": "0.0"},
        machine="a test",
        minutes=0.1,
        losses=({"step": 1, "loss": 2.0},),
    ).model_copy(update=changes)


def write_base(path: Path, shapes: dict[str, tuple[int, int]]) -> Path:
    """A GGUF file with linear layers of these shapes, an embedding and a norm."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_tensor("token_embd.weight", np.zeros((8, WIDTH), np.float32))
    writer.add_tensor("blk.0.attn_norm.weight", np.zeros(WIDTH, np.float32))
    for name, shape in shapes.items():
        _, _, layer, module = name.split(".", 3)
        writer.add_tensor(f"blk.{layer}.{LINEAR[module]}.weight", np.zeros(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
