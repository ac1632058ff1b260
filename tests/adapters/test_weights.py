"""What the folders of test_verify_hostile.py cannot show: other types, and a base that is on another machine."""

import numpy as np
import pytest

from adapters.header import Shapes
from adapters.weights import WeightsError, check_weights, values
from tests.adapters.hostile import matrices, packed, tensor
from tests.adapters.small_adapter import LAYERS, RANK, SHAPES, WIDTHS

MODULES = frozenset(name.rpartition(".")[2] for name in WIDTHS)


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_the_types_that_training_writes_pass(kind: str) -> None:
    as_kind = {
        "F32": lambda a: a,
        "F16": lambda a: a.astype("<f2"),
        "BF16": lambda a: (a.view("<u4") >> 16).astype("<u2"),
    }
    whole = {
        name: tensor(as_kind[kind](np.frombuffer(data, "<f4").reshape(shape)), kind)
        for name, (_, shape, data) in matrices().items()
    }
    check_weights(packed(whole), RANK, MODULES, SHAPES)


def test_bfloat16_is_read_as_what_it_means() -> None:
    halves = np.array([0x3F80, 0xC000, 0x7F80, 0x0000], "<u2")
    assert values({"dtype": "BF16", "data": halves.tobytes()}).tolist() == [1.0, -2.0, float("inf"), 0.0]


def test_without_the_base_the_weights_themselves_have_to_be_whole() -> None:
    check_weights(packed(matrices()), RANK, MODULES, None)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("layers.0.", "14 of 28 weights are missing"),
        (f"layers.{LAYERS - 1}.mlp.up_proj", "2 of 28 weights are missing"),
        ("q_proj", "4 of 28 weights are missing"),
        ("layers.1.self_attn.k_proj.lora_B", "1 of 28 weights are missing"),
        ("layers", "no weights"),
    ],
)
def test_without_the_base_a_gap_is_still_seen(part: str, reason: str) -> None:
    some = {name: one for name, one in matrices().items() if part not in name}
    with pytest.raises(WeightsError, match=reason):
        check_weights(packed(some), RANK, MODULES, None)


def test_without_the_base_the_rank_is_still_seen() -> None:
    with pytest.raises(WeightsError, match="expected 8 x any at rank 8"):
        check_weights(packed(matrices()), 8, MODULES, None)


def test_a_base_without_such_layers_fits_no_adapter() -> None:
    with pytest.raises(WeightsError, match="28 weights have no place on the base"):
        check_weights(packed(matrices()), RANK, MODULES, {})


@pytest.mark.parametrize("shapes", [SHAPES, None])
def test_an_adapter_of_some_modules_needs_no_others(shapes: Shapes | None) -> None:
    some = {name: one for name, one in matrices().items() if "q_proj" in name}
    check_weights(packed(some), RANK, {"q_proj"}, shapes)
