from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapters.engines.peft_model import Owned, module_name
from adapters.engines.protocol import AdapterRefused, EngineError
from tests.adapters.conftest import byte_tokenizer
from tests.adapters.engines.peft_tiny import NAMES, owned_with_adapters

READ = torch.tensor([[65, 66, 67, 68], [70, 71, 72, 73], [65, 66, 67, 68], [65, 66, 67, 68], [80, 81, 82, 83]])
MIXED = [NAMES[2], None, NAMES[1], NAMES[2], NAMES[2]]


@pytest.fixture
def owned(tiny_model: Path, tmp_path: Path) -> Owned:
    return owned_with_adapters(tiny_model, tmp_path)


@torch.inference_mode()
def test_each_row_is_what_peft_makes_of_it_alone(owned: Owned) -> None:
    mixed = owned.forward(READ, MIXED)
    for hook in owned.hooks:
        hook.remove()
    for ids, name, logits in zip(READ, MIXED, mixed, strict=True):
        owned.model.base_model.enable_adapter_layers()
        if name is None:
            owned.model.base_model.disable_adapter_layers()
        else:
            owned.model.set_adapter(module_name(name))
        torch.testing.assert_close(logits, owned.model(input_ids=ids[None]).logits[0], atol=1e-5, rtol=1e-5)


def test_the_rows_differ_by_their_adapter(owned: Owned) -> None:
    logits = owned.forward(READ[[0, 2, 3]], [None, NAMES[1], NAMES[2]])[:, -1]
    assert torch.pdist(logits).min() > 1


def test_an_adapter_that_is_not_there_is_refused(owned: Owned) -> None:
    with pytest.raises(AdapterRefused, match="other@1 is not loaded"):
        owned.forward(READ[:2], [None, "other@1"])
    owned.unload("house_style@1")
    with pytest.raises(AdapterRefused, match="house_style@1 is not loaded"):
        owned.forward(READ[:2], [None, "house_style@1"])


def test_adapters_that_another_hand_switched_on_are_found_out(owned: Owned) -> None:
    owned.model.base_model.enable_adapter_layers()
    for adapters in ([None, None], [None, NAMES[1]]):
        with pytest.raises(EngineError, match="switched on by another hand; nothing was generated"):
            owned.forward(READ[:2], adapters)
    owned.take_over()
    owned.forward(READ[:2], [None, NAMES[1]])


def test_a_layer_in_which_an_adapter_did_not_act_is_found_out(owned: Owned) -> None:
    owned.hooks[3].remove()
    owned.forward(READ[:2], [None, None])
    with pytest.raises(EngineError, match=r"@1': 14\} rows and acted on \{.*@1': 13\}; nothing was generated"):
        owned.forward(READ[:2], [None, NAMES[1]])


def test_without_adapters_the_base_is_plain_again(owned: Owned) -> None:
    before = owned.forward(READ, [None] * 5)
    for name in NAMES[1:]:
        owned.unload(str(name))
    assert owned.hooks == [] and not owned.layers
    assert torch.equal(owned.forward(READ, [None] * 5), before)
    assert owned.tokenizer.vocab_size == byte_tokenizer().vocab_size


@given(*[st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}@[1-9]", fullmatch=True)] * 2)
def test_no_two_adapters_share_a_module_name(one: str, other: str) -> None:
    assert (module_name(one) == module_name(other)) == (one == other)
    assert "." not in module_name(one)
