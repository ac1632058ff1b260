from types import MappingProxyType

import pytest
import torch

from adapters.precision import MULTIPLIES_BFLOAT16, in_bfloat16, training_dtype


@pytest.mark.parametrize("instructions", MULTIPLIES_BFLOAT16)
def test_a_processor_that_multiplies_bfloat16_trains_in_it(
    monkeypatch: pytest.MonkeyPatch, instructions: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: MappingProxyType({"avx2": True, instructions: True}))
    assert training_dtype() == torch.bfloat16
    assert in_bfloat16()


@pytest.mark.parametrize("known", [{"avx2": True, "avx512_bf16": False, "avx512_f": True}, {"neon": True}, {}])
def test_any_other_trains_in_float32(monkeypatch: pytest.MonkeyPatch, known: dict[str, bool]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: MappingProxyType(known))
    assert training_dtype() == torch.float32
    assert not in_bfloat16()


@pytest.mark.parametrize("multiplies", [True, False])
def test_with_a_gpu_the_gpu_decides(monkeypatch: pytest.MonkeyPatch, multiplies: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: multiplies)
    assert in_bfloat16() is multiplies


def test_torch_knows_the_names_of_this_processor_s_kind() -> None:
    """A renamed capability would be slow in silence."""
    known = torch.cpu.get_capabilities()
    names = {"x86_64": {"amx_bf16", "avx512_bf16"}, "aarch64": {"bf16"}}
    assert names.get(known["architecture"], set()) <= set(known)
