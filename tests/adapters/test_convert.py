import json
import math
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from adapters.convert import ConversionError, Matrix, interleaved, lora_gguf
from adapters.header import Header, header_of, read_gguf

LAYERS, HEADS, KEY_HEADS, HEAD_SIZE, RANK = 2, 4, 2, 6, 3
WIDTH = HEADS * HEAD_SIZE
LAYER = "base_model.model.model.layers.{}.{}.lora_{}.weight"


@pytest.fixture
def base(tmp_path: Path) -> Header:
    return read_header(write_base(tmp_path / "base.gguf", "llama"))


def read_header(base: Path) -> Header:
    return header_of(read_gguf(base))


def write_base(path: Path, architecture: str) -> Path:
    """A model file without weights: the conversion reads only what it says of itself."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_adapter(folder: Path, tensors: dict[str, torch.Tensor], **config: object) -> Path:
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    values = {"r": RANK, "lora_alpha": 12, "use_rslora": False} | config
    (folder / "adapter_config.json").write_text(json.dumps(values))
    return folder


def pair(module: str, out: int, layer: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(out)
    shapes = {"A": (RANK, WIDTH), "B": (out, RANK)}
    return {LAYER.format(layer, module, side): torch.randn(shape) for side, shape in shapes.items()}


def tensors(path: Path) -> dict[str, Matrix]:
    return {tensor.name: np.array(tensor.data) for tensor in gguf.GGUFReader(path).tensors}


def test_every_matrix_gets_the_name_of_its_layer_in_the_base(tmp_path: Path, base: Header) -> None:
    modules = {"self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate"}
    modules |= {"mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    weights = {key: value for module in modules for key, value in pair(module, WIDTH, layer=1).items()}
    found = tensors(lora_gguf(write_adapter(tmp_path / "a", weights), base, tmp_path / "lora.gguf"))
    assert len(found) == len(weights)
    for module, name in modules.items():
        for side in "AB":
            np.testing.assert_array_equal(
                found[f"blk.1.{name}.weight.lora_{side.lower()}"], weights[LAYER.format(1, module, side)].numpy()
            )


@pytest.mark.parametrize(
    ("module", "name", "heads"), [("q_proj", "attn_q", HEADS), ("k_proj", "attn_k", KEY_HEADS)]
)
def test_query_and_key_rows_follow_their_own_heads(
    tmp_path: Path, base: Header, module: str, name: str, heads: int
) -> None:
    weights = pair(f"self_attn.{module}", heads * HEAD_SIZE)
    found = tensors(lora_gguf(write_adapter(tmp_path / "a", weights), base, tmp_path / "lora.gguf"))
    a, b = (weights[LAYER.format(0, f"self_attn.{module}", side)].numpy() for side in "AB")
    np.testing.assert_array_equal(found[f"blk.0.{name}.weight.lora_a"], a)
    np.testing.assert_array_equal(found[f"blk.0.{name}.weight.lora_b"], interleaved(b, heads))
    assert not np.array_equal(interleaved(b, heads), b)


@given(st.integers(1, 5), st.integers(1, 8), st.integers(1, 3))
def test_rotary_halves_become_rotary_pairs(heads: int, half: int, columns: int) -> None:
    """A head's row i and row i + half turn together in torch; llama.cpp wants them as rows 2i and 2i + 1."""
    matrix = np.arange(heads * 2 * half * columns, dtype=np.float32).reshape(heads * 2 * half, columns)
    mixed = interleaved(matrix, heads)
    for head in range(heads):
        for i in range(half):
            first = head * 2 * half
            np.testing.assert_array_equal(mixed[first + 2 * i], matrix[first + i])
            np.testing.assert_array_equal(mixed[first + 2 * i + 1], matrix[first + half + i])


@pytest.mark.parametrize(("rank_stabilised", "alpha"), [(False, 12.0), (True, 12 * math.sqrt(RANK))])
def test_the_strength_is_what_peft_makes_of_it(
    tmp_path: Path, base: Header, rank_stabilised: bool, alpha: float
) -> None:
    adapter = write_adapter(tmp_path / "a", pair("self_attn.v_proj", WIDTH), use_rslora=rank_stabilised)
    fields = gguf.GGUFReader(lora_gguf(adapter, base, tmp_path / "lora.gguf")).fields
    assert fields["general.type"].contents() == "adapter"
    assert fields["adapter.type"].contents() == "lora"
    # llama.cpp divides by the rank, PEFT by its root where the adapter is rank-stabilised.
    assert fields["adapter.lora.alpha"].contents() == pytest.approx(alpha)


def test_weights_in_bfloat16_keep_their_values(tmp_path: Path, base: Header) -> None:
    weights = {key: value.bfloat16() for key, value in pair("self_attn.v_proj", WIDTH).items()}
    found = tensors(lora_gguf(write_adapter(tmp_path / "a", weights), base, tmp_path / "lora.gguf"))
    expected = weights[LAYER.format(0, "self_attn.v_proj", "B")].float().numpy()
    np.testing.assert_array_equal(found["blk.0.attn_v.weight.lora_b"], expected)


def test_a_finished_file_is_kept(tmp_path: Path, base: Header) -> None:
    (tmp_path / "lora.gguf").write_bytes(b"made before")
    lora_gguf(tmp_path / "nothing-here", base, tmp_path / "lora.gguf")
    assert (tmp_path / "lora.gguf").read_bytes() == b"made before"


@pytest.mark.parametrize(
    "key",
    [
        "base_model.model.lm_head.lora_A.weight",
        LAYER.format(0, "mlp.side_proj", "A"),
        LAYER.format(9, "mlp.up_proj", "A"),
    ],
    ids=["not in a layer", "no such module", "no such layer"],
)
def test_a_matrix_without_a_place_in_the_base_is_refused(tmp_path: Path, base: Header, key: str) -> None:
    adapter = write_adapter(tmp_path / "a", {key: torch.zeros(RANK, WIDTH)})
    with pytest.raises(ConversionError, match=r"lm_head|mlp"):
        lora_gguf(adapter, base, tmp_path / "out" / "lora.gguf")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3"])
def test_where_rotary_halves_stay_halves_rows_keep_their_order(tmp_path: Path, architecture: str) -> None:
    weights = pair("self_attn.q_proj", WIDTH)
    other = read_header(write_base(tmp_path / "other.gguf", architecture))
    target = lora_gguf(write_adapter(tmp_path / "a", weights), other, tmp_path / "lora.gguf")
    assert gguf.GGUFReader(target).fields["general.architecture"].contents() == architecture
    b = weights[LAYER.format(0, "self_attn.q_proj", "B")].numpy()
    np.testing.assert_array_equal(tensors(target)["blk.0.attn_q.weight.lora_b"], b)


def test_a_base_of_another_architecture_is_refused(tmp_path: Path) -> None:
    other = read_header(write_base(tmp_path / "base.gguf", "falcon"))
    adapter = write_adapter(tmp_path / "a", pair("self_attn.q_proj", WIDTH))
    with pytest.raises(ConversionError, match=r"architecture is falcon; .* for llama, qwen2, qwen3"):
        lora_gguf(adapter, other, tmp_path / "lora.gguf")


def test_rows_that_do_not_divide_into_heads_are_refused(tmp_path: Path, base: Header) -> None:
    adapter = write_adapter(tmp_path / "a", pair("self_attn.q_proj", WIDTH - 1))
    with pytest.raises(ValueError, match="23 rows cannot be those of 4 heads"):
        lora_gguf(adapter, base, tmp_path / "lora.gguf")
