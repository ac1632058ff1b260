import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.convert import alpha
from adapters.engines.protocol import AdapterRefused, AdapterWeights, EngineError
from adapters.header import header_of, read_gguf
from adapters.merge import changes
from adapters.registry import Registry
from adapters.strength import at_strength, split_strength, with_strength
from ingest.models import file_sha256
from tests.adapters.conftest import SHIPPED, MakeAdapter
from tests.adapters.small_adapter import BASE_SHA256

tenths = st.integers(1, 15).map(lambda number: number / 10)


@pytest.fixture
def registry(tmp_path: Path, make_adapter: MakeAdapter) -> Registry:
    make_adapter("style/1")
    return Registry(tmp_path / "shipped", tmp_path / "own")


@given(tenths)
def test_a_label_says_its_strength_and_is_read_back(strength: float) -> None:
    label = with_strength("style@2", strength)
    assert split_strength(label) == ("style@2", strength)
    assert ("*" in label) == (strength != 1)


@pytest.mark.parametrize(
    "label", ["style*0", "style*1.6", "style*1.51", "style*-1", "style*", "style*2e0", "s*0.12", "*0.5"]
)
def test_what_is_no_strength_is_refused_with_what_to_do(label: str) -> None:
    with pytest.raises(AdapterRefused, match="switch it off"):
        split_strength(label)


def test_every_strength_is_an_adapter_of_its_own(registry: Registry) -> None:
    """Other name, other hash, other folder: no cache can take one for the other."""
    loaded = [registry.verified(f"style@1{suffix}", BASE_SHA256) for suffix in ("", "*0.5", "*1.5", "*1")]
    whole, half, more, one = loaded
    assert one == whole
    assert [half.name, more.name] == ["style@1*0.5", "style@1*1.5"]
    assert len({each.sha256 for each in loaded}) == len({each.folder for each in loaded}) == 3
    assert [alpha(Path(each.folder)) / alpha(Path(whole.folder)) for each in loaded] == [1, 0.5, 1.5, 1]
    weights = {file_sha256(Path(each.folder) / "adapter_model.safetensors") for each in loaded}
    assert len(weights) == 1


def test_the_copy_is_made_once_and_is_no_version(registry: Registry) -> None:
    before = registry.labels()
    first = registry.verified("style*0.5", BASE_SHA256)
    stamp = (Path(first.folder) / "adapter_config.json").stat().st_ino
    assert registry.verified("style@1*0.5", BASE_SHA256) == first
    assert (Path(first.folder) / "adapter_config.json").stat().st_ino == stamp
    assert registry.labels() == before


def test_the_copy_has_no_card_of_another_strength(registry: Registry, tmp_path: Path) -> None:
    first = Path(registry.verified("style@1*0.5", BASE_SHA256).folder)
    plain = ["adapter_config.json", "adapter_model.safetensors"]
    assert sorted(file.name for file in first.iterdir()) == plain
    shutil.copy(tmp_path / "shipped" / "style" / "1" / "card.json", first)  # as earlier releases did
    registry.verified("style@1*0.5", BASE_SHA256)
    assert sorted(file.name for file in first.iterdir()) == plain


def test_a_copy_with_other_weights_is_made_anew(registry: Registry) -> None:
    """A flipped byte in a copy is no adapter that the gate has seen."""
    first = registry.verified("style@1*0.5", BASE_SHA256)
    weights = Path(first.folder) / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert registry.verified("style@1*0.5", BASE_SHA256) == first
    assert weights.read_bytes() == whole


@pytest.mark.parametrize("torn", ["", "{", '{"lora_alpha": 9}'])
def test_a_copy_with_another_configuration_is_made_anew(registry: Registry, torn: str) -> None:
    first = registry.verified("style@1*0.5", BASE_SHA256)
    config = Path(first.folder) / "adapter_config.json"
    whole = config.read_text()
    config.write_text(torn)
    assert registry.verified("style@1*0.5", BASE_SHA256) == first
    assert config.read_text() == whole


def test_a_damaged_adapter_has_no_strength_either(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "shipped" / "style" / "1" / "adapter_model.safetensors").write_bytes(b"not weights")
    with pytest.raises(AdapterRefused):
        registry.verified("style@1*0.5", BASE_SHA256)


def test_what_it_adds_is_multiplied(gguf: Path, tmp_path: Path) -> None:
    shipped = SHIPPED / "house-style" / "2"
    weights = AdapterWeights("house-style@2", str(shipped), "a" * 64, (("I", -0.1),))
    base = header_of(read_gguf(gguf))
    whole = changes(shipped, base)
    scaled = at_strength(weights, 0.5, tmp_path)
    assert scaled.probe == (), "that of the whole strength would refuse it"
    half = changes(Path(scaled.folder), base)
    assert whole.keys() == half.keys()
    for name in whole:
        np.testing.assert_allclose(half[name], whole[name] / 2, rtol=1e-6)


def test_a_copy_that_cannot_be_kept_is_an_engines_error(make_adapter: MakeAdapter, tmp_path: Path) -> None:
    weights = AdapterWeights("style@1", str(make_adapter("style/1")), "0" * 64)
    (tmp_path / "full").write_text("no folder")
    with pytest.raises(EngineError, match=r"at the strength 0\.5 cannot be kept"):
        at_strength(weights, 0.5, tmp_path / "full")
