import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.engines.protocol import AdapterRefused
from adapters.prompt import PromptTemplate
from adapters.verify import MEANT, config_problems, prompt_warning, verify
from tests.adapters.conftest import MakeAdapter
from tests.adapters.small_adapter import BASE_SHA256, SHAPES, card, lora_config


def test_an_adapter_that_fits_passes_with_its_card(make_adapter: MakeAdapter) -> None:
    assert verify(make_adapter(), BASE_SHA256, SHAPES).name == "style"


def test_without_the_base_at_hand_its_hash_still_has_to_fit(make_adapter: MakeAdapter) -> None:
    folder = make_adapter()
    assert verify(folder, BASE_SHA256).name == "style"
    with pytest.raises(AdapterRefused, match="trained for the base bbbbbbbbbbbb, serving is ffffffffffff"):
        verify(folder, "f" * 64)


@pytest.mark.parametrize("key", ["auto_mapping", "modules_to_save", "use_dora", "rank_pattern", "loftq_config"])
@pytest.mark.parametrize("off", [None, False, [], {}])
def test_what_is_switched_off_does_not_hurt(make_adapter: MakeAdapter, key: str, off: object) -> None:
    verify(make_adapter(**{key: off}), BASE_SHA256, SHAPES)


@pytest.mark.parametrize(
    ("key", "value"),
    [("use_rslora", True), ("init_lora_weights", "gaussian"), ("lora_dropout", 0.5), ("revision", "main")],
)
def test_what_plain_lora_can_have_passes(make_adapter: MakeAdapter, key: str, value: object) -> None:
    verify(make_adapter(**{key: value}), BASE_SHA256, SHAPES)


@given(key=st.text(min_size=1), value=st.integers() | st.floats() | st.just(True) | st.text(min_size=1))
def test_no_setting_beside_plain_lora_comes_through(key: str, value: object) -> None:
    if key not in MEANT:
        assert config_problems(lora_config(**{key: value})) == [f"{key} is set"]


def test_another_prompt_is_told_with_both_names_and_hashes() -> None:
    trained, serving = PromptTemplate("house", 1, "trained with"), PromptTemplate("house", 1, "edited since")
    one = card("a" * 64, prompt=trained.label, prompt_sha256=trained.hash)
    assert prompt_warning(one, trained) is None
    told = prompt_warning(one, serving) or ""
    assert "style was trained with the prompt house@1" in told
    assert trained.hash[:12] in told and serving.hash[:12] in told
