import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from adapters.convert import ConversionError, Matrix, interleaved
from adapters.header import LINEAR
from adapters.merge import merged_gguf
from ingest.models import ModelError
from tests.adapters.conftest import lora_weights
from tests.adapters.small_adapter import LAYERS, RANK, SHAPES, WIDTH, lora_config

HEADS, KEY_HEADS = 4, 2


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A base in four bits, with an embedding, a norm and a vocabulary."""
    chance = np.random.default_rng(1)
    writer = gguf.GGUFWriter(tmp_path / "base.gguf", "llama")
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_token_list(["a", "b"])
    writer.add_chat_template("{{ messages }}")
    writer.add_tensor("token_embd.weight", chance.normal(size=(8, WIDTH)).astype(np.float32))
    writer.add_tensor("blk.0.attn_norm.weight", np.ones(WIDTH, np.float32))
    kind = gguf.GGMLQuantizationType.Q4_1
    for name, shape in SHAPES.items():
        weights = gguf.quants.quantize(chance.normal(size=shape).astype(np.float32), kind)
        writer.add_tensor(gguf_name(name), weights, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tmp_path / "base.gguf"


def gguf_name(name: str) -> str:
    _, _, layer, module = name.split(".", 3)
    return f"blk.{layer}.{LINEAR[module]}.weight"


def adapter(folder: Path, weights: dict[str, torch.Tensor]) -> Path:
    folder.mkdir()
    save_file(weights, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(lora_config()))
    return folder


def read(path: Path) -> dict[str, Matrix]:
    tensors = gguf.GGUFReader(path).tensors
    return {one.name: gguf.quants.dequantize(np.array(one.data), one.tensor_type) for one in tensors}


def nearly(one: Matrix, other: Matrix) -> bool:
    """As near as eight bits are: half a step of the largest value in a block."""
    return bool(np.abs(one - other).max() <= np.abs(other).max() / 127)


def test_without_an_adapter_all_weights_stay(base: Path, tmp_path: Path) -> None:
    before, after = read(base), read(merged_gguf(None, base, tmp_path / "cache" / "merged.gguf"))
    assert before.keys() == after.keys()
    assert all(nearly(after[name], before[name]) for name in before)
    for name in ("token_embd.weight", "blk.0.attn_norm.weight"):
        assert np.array_equal(after[name], before[name])


def test_an_adapter_is_added_to_each_layer_at_its_strength(base: Path, tmp_path: Path) -> None:
    weights = lora_weights(1)
    folder = adapter(tmp_path / "adapter", weights)
    before, after = read(base), read(merged_gguf(folder, base, tmp_path / "merged.gguf"))
    for name in SHAPES:
        up, down = (weights[f"base_model.model.{name}.lora_{side}.weight"].numpy() for side in "BA")
        heads = {"q_proj": HEADS, "k_proj": KEY_HEADS}.get(name.rpartition(".")[2])
        change = 2 * (interleaved(up, heads) if heads else up) @ down
        assert np.abs(change).max() > 0.1
        assert nearly(after[gguf_name(name)], before[gguf_name(name)] + change)


def test_what_the_file_says_of_itself_is_kept(base: Path, tmp_path: Path) -> None:
    fields = gguf.GGUFReader(merged_gguf(None, base, tmp_path / "merged.gguf")).fields
    assert fields["tokenizer.ggml.tokens"].contents() == ["a", "b"]
    assert fields["tokenizer.chat_template"].contents() == "{{ messages }}"
    assert fields["llama.attention.head_count"].contents() == HEADS


def test_a_file_that_is_there_is_kept(base: Path, tmp_path: Path) -> None:
    (tmp_path / "merged.gguf").write_bytes(b"made before")
    assert merged_gguf(None, base, tmp_path / "merged.gguf").read_bytes() == b"made before"


def test_an_adapter_for_other_layers_leaves_no_file(base: Path, tmp_path: Path) -> None:
    more = adapter(tmp_path / "more", lora_weights(1, layers=LAYERS + 1))
    with pytest.raises(ConversionError, match=r"no layer"):
        merged_gguf(more, base, tmp_path / "cache" / "merged.gguf")
    wider = {
        name: torch.ones(RANK, 2 * WIDTH) if "lora_A" in name else one for name, one in lora_weights(1).items()
    }
    with pytest.raises(ConversionError, match=r"the adapter's change of it \(\d+, 64\)"):
        merged_gguf(adapter(tmp_path / "wider", wider), base, tmp_path / "cache" / "merged.gguf")
    assert not (tmp_path / "cache" / "merged.gguf").exists()


def test_a_base_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "base.gguf").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"base\.gguf is no GGUF file"):
        merged_gguf(None, tmp_path / "base.gguf", tmp_path / "merged.gguf")
