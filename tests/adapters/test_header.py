from pathlib import Path

import gguf
import pytest

from adapters.header import BaseFile, Header, header_of, kept_header, read_gguf
from ingest.models import ModelError
from tests.adapters import test_convert
from tests.adapters.small_adapter import LAYERS, SHAPES, write_base


def test_the_file_says_how_its_network_is_built(tmp_path: Path) -> None:
    base = read_gguf(write_base(tmp_path / "base.gguf", SHAPES))
    assert header_of(base) == Header("llama", LAYERS, heads=4, key_heads=2, kind="F32", shapes=SHAPES)


def test_an_unknown_architecture_has_layers_but_no_counts(tmp_path: Path) -> None:
    base = read_gguf(test_convert.write_base(tmp_path / "base.gguf", "falcon"))
    assert header_of(base) == Header("falcon", 0, 0, 0, "", {})


@pytest.mark.parametrize("content", [b"", b"GGUF", b"no model at all, but long enough for a header"])
def test_what_is_no_model_is_named_and_nothing_kept(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "base.gguf").write_bytes(content)
    with pytest.raises(ModelError, match=r"base\.gguf is no GGUF file"):
        kept_header(tmp_path / "base.gguf", "a" * 64, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_base_is_read_once_and_then_found_by_its_hash(tmp_path: Path) -> None:
    gguf = write_base(tmp_path / "base.gguf", SHAPES)
    assert BaseFile(gguf, tmp_path / "cache").shapes == SHAPES
    (kept,) = (tmp_path / "cache").iterdir()
    name, content = next(iter(SHAPES)), kept.read_text()
    kept.write_text(content.replace(name, "model.layers.99.marked"))
    assert "model.layers.99.marked" in BaseFile(gguf, tmp_path / "cache").shapes, "it was not read again"
    for damaged in ("", content[:50], '{"architecture": "llama"}', "[]"):
        kept.write_text(damaged)
        assert BaseFile(gguf, tmp_path / "cache").shapes == SHAPES, "what was kept is only a copy"
    write_base(gguf, dict(list(SHAPES.items())[1:]))
    assert name not in BaseFile(gguf, tmp_path / "cache").shapes, "another file, another entry"


def write_header(path: Path, architecture: str = "llama", **numbers: int | list[int]) -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    for name, number in numbers.items():
        getattr(writer, f"add_{name}")(number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_without_a_number_of_key_heads_there_are_as_many_as_heads(tmp_path: Path) -> None:
    header = header_of(read_gguf(write_header(tmp_path / "base.gguf", block_count=2, head_count=4)))
    assert (header.layers, header.heads, header.key_heads) == (2, 4, 4)


def test_what_a_header_lacks_is_named(tmp_path: Path) -> None:
    lacking = read_gguf(write_header(tmp_path / "base.gguf", block_count=2))
    with pytest.raises(ModelError, match=r"no llama\.attention\.head_count"):
        header_of(lacking)
    with pytest.raises(ModelError, match=r"\[4, 2\] as llama\.attention\.head_count, expected one number"):
        header_of(read_gguf(write_header(tmp_path / "base.gguf", block_count=2, head_count=[4, 2])))
    del lacking.fields["general.architecture"]
    with pytest.raises(ModelError, match=r"no general\.architecture"):
        header_of(lacking)
