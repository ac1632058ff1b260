"""A small random LoRA for the embedded base: 30 layers of width 576."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from adapters.card import Base, Card, TrainingData, write_card
from ingest.documents import content_hash

LAYERS, WIDTH, RANK = 30, 576, 4


def adapter(folder: Path, base: str, seed: int, scale: float = 0.05) -> Path:
    """A small random LoRA that fits the embedded base's shapes, with a card that says so."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    tensors = {
        f"base_model.model.model.layers.{layer}.self_attn.q_proj.lora_{side}.weight": (
            scale * random.standard_normal(shape)
        ).astype(np.float32)
        for layer in range(LAYERS)
        for side, shape in (("A", (RANK, WIDTH)), ("B", (WIDTH, RANK)))
    }
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK, "target_modules": ["q_proj"], "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    write_card(card(folder.parent.name, base, (folder / "adapter_model.safetensors").read_bytes()), folder)
    return folder


def card(name: str, base: str, weights: bytes) -> Card:
    return Card(
        name=name,
        created="2026-11-22",
        weights_sha256=content_hash(weights),
        base=Base(uri="file:base", sha256=base, tokenizer_sha256="0" * 64, chat_template_sha256="0" * 64),
        prompt="house@1",
        prompt_sha256="0" * 64,
        data=TrainingData(sha256="0" * 64, examples=0, rows=0, validation_rows=0, held_back=()),
        recipe={},
        libraries={},
        machine="none",
        minutes=0,
        losses=(),
    )
