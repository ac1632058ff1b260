"""An adapter on a base that is no Llama: the engines that convert it say what torch says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from adapters.card import WEIGHTS
from adapters.convert import Matrix
from adapters.engines import probe
from adapters.engines.llamacpp import LlamaCpp
from adapters.engines.openvino import OpenVINO
from adapters.engines.protocol import AdapterWeights
from adapters.first_tokens import first_tokens
from adapters.header import TENSOR
from tests.adapters.conftest import CHATML, SPECIAL, byte_tokenizer

LAYERS, WIDTH, HEADS, KEY_HEADS, CONTEXT = 2, 64, 4, 2, 512
# llama.cpp wants a merge; this one never comes up.
MERGE = "Q z"


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """Every token is a letter of its own, so that the likeliest can be told apart by their text."""
    return byte_tokenizer(ascii_only=True)


@pytest.fixture(scope="module", params=[Qwen2Config, Qwen3Config])
def config(request: pytest.FixtureRequest, tokenizer: PreTrainedTokenizerFast) -> PretrainedConfig:
    made: PretrainedConfig = request.param(
        vocab_size=len(tokenizer) + 1,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        head_dim=WIDTH // HEADS,
        max_position_embeddings=CONTEXT,
        initializer_range=0.2,
    )
    return made


@pytest.fixture(scope="module")
def folder(
    config: PretrainedConfig, tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast
) -> Path:
    torch.manual_seed(3)
    made = tmp_path_factory.mktemp("qwen")
    AutoModelForCausalLM.from_config(config).save_pretrained(made)
    tokenizer.save_pretrained(made)
    return made


@pytest.fixture(scope="module")
def adapter(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> AdapterWeights:
    """On queries and keys only: rows in another order would be seen."""
    made = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(5)
    lora = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj"], init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(folder), lora).save_pretrained(made)
    weights = {name: 3 * tensor for name, tensor in load_file(made / WEIGHTS).items()}
    save_file(weights, made / WEIGHTS)
    return AdapterWeights("queries@1", str(made), "a" * 64)


@pytest.fixture(scope="module")
def file(config: PretrainedConfig, folder: Path, tokenizer: PreTrainedTokenizerFast) -> Path:
    """The same model as llama.cpp's file."""
    writer = gguf.GGUFWriter(target := folder / "model.gguf", config.model_type)
    facts: tuple[tuple[Callable[[Any], None], float], ...] = (
        (writer.add_context_length, CONTEXT),
        (writer.add_embedding_length, WIDTH),
        (writer.add_feed_forward_length, 2 * WIDTH),
        (writer.add_block_count, LAYERS),
        (writer.add_head_count, HEADS),
        (writer.add_head_count_kv, KEY_HEADS),
        (writer.add_key_length, WIDTH // HEADS),
        (writer.add_value_length, WIDTH // HEADS),
        (writer.add_layer_norm_rms_eps, 1e-6),
        (writer.add_rope_freq_base, 10000.0),
        (writer.add_file_type, int(gguf.LlamaFileType.MOSTLY_Q8_0)),
    )
    for add, value in facts:
        add(value)
    write_tokenizer(writer, tokenizer)
    kinds = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(kinds[config.model_type], LAYERS)
    for name, tensor in AutoModelForCausalLM.from_pretrained(folder).state_dict().items():
        known = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert known
        add_tensor(writer, known, tensor.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def add_tensor(writer: gguf.GGUFWriter, name: str, values: Matrix) -> None:
    """Linear layers in 8 bits: OpenVINO reads no others."""
    if TENSOR.fullmatch(name):
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    else:
        writer.add_tensor(name, values)


def write_tokenizer(writer: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerFast) -> None:
    tokens = [*tokenizer.convert_ids_to_tokens(range(len(tokenizer))), MERGE.replace(" ", "")]
    kinds = [gguf.TokenType.CONTROL if token in SPECIAL else gguf.TokenType.NORMAL for token in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([MERGE])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_chat_template(CHATML)


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", [LlamaCpp, OpenVINO])
async def test_it_says_what_torch_says(
    kind: type[LlamaCpp] | type[OpenVINO],
    file: Path,
    folder: Path,
    adapter: AdapterWeights,
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> None:
    engine = await kind(
        gguf=file, sha256="b" * 64, cache_folder=tmp_path, slots=1, context_tokens=CONTEXT, threads=1
    ).open()
    try:
        await engine.load(adapter)
        generation = probe.GENERATION.model_copy(update={"adapter": adapter.name})
        found = await probe.first_token(engine._streamed(probe.MESSAGES, (), generation))
    finally:
        await engine.close()
    expected = first_tokens(folder, Path(adapter.folder), tokenizer)
    probe.check_met(adapter.name, expected, found)
