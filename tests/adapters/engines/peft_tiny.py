"""The tiny model with two adapters, without a thread: a test makes each step itself."""

from pathlib import Path

import torch

from adapters.base import load_model, load_tokenizer
from adapters.engines.peft_model import Owned
from tests.adapters.conftest import loadable, lora_weights, write_adapter

NAMES = (None, "house.style@1", "house_style@1")


def owned_with_adapters(tiny_model: Path, folder: Path) -> Owned:
    owned = Owned(load_model(tiny_model, torch.float32), load_tokenizer(tiny_model), 1024)
    for seed, name in enumerate(NAMES[1:], start=1):
        assert name
        owned.load(loadable(name, write_adapter(folder / name, lora_weights(seed))))
    return owned
