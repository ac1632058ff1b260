from pathlib import Path

import pytest

from adapters.header import ConversionError, Header, header_of, kept_header
from adapters.shapes import read_gguf
from tests.adapters.test_convert import HEADS, KEY_HEADS, LAYERS, write_base


def test_the_file_says_how_its_network_is_built(tmp_path: Path) -> None:
    base = read_gguf(write_base(tmp_path / "base.gguf", "qwen2"))
    assert header_of(base.fields) == Header("qwen2", LAYERS, HEADS, KEY_HEADS)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    base = read_gguf(write_base(tmp_path / "base.gguf", "falcon"))
    with pytest.raises(ConversionError, match=r"architecture is falcon; .* for llama, qwen2, qwen3"):
        header_of(base.fields)


def test_a_base_is_read_once_and_then_found_by_its_hash(tmp_path: Path) -> None:
    gguf, cache = write_base(tmp_path / "base.gguf", "llama"), tmp_path / "cache"
    assert kept_header(gguf, "a" * 64, cache).architecture == "llama"
    (kept,) = cache.iterdir()
    kept.write_text(kept.read_text().replace(f'"layers": {LAYERS}', '"layers": 99'))
    assert kept_header(gguf, "a" * 64, cache).layers == 99, "it was not read again"
    other = write_base(tmp_path / "other.gguf", "qwen2")
    assert kept_header(other, "b" * 64, cache) == Header("qwen2", LAYERS, HEADS, KEY_HEADS), "another entry"
