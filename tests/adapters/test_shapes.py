from pathlib import Path

import pytest

from adapters.shapes import BaseFile, linear_shapes
from ingest.models import ModelError
from tests.adapters.small_adapter import SHAPES, write_base


def test_every_linear_layer_is_found_as_outputs_and_inputs(tmp_path: Path) -> None:
    assert linear_shapes(write_base(tmp_path / "base.gguf", SHAPES)) == SHAPES


@pytest.mark.parametrize("content", [b"", b"GGUF", b"no model at all, but long enough for a header"])
def test_what_is_no_model_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "base.gguf").write_bytes(content)
    with pytest.raises(ModelError, match=r"base\.gguf is no GGUF file"):
        linear_shapes(tmp_path / "base.gguf")


def test_a_base_is_read_once_and_then_found_by_its_hash(tmp_path: Path) -> None:
    gguf = write_base(tmp_path / "base.gguf", SHAPES)
    assert BaseFile(gguf, tmp_path / "cache").shapes == SHAPES
    (kept,) = (tmp_path / "cache").iterdir()
    name, content = next(iter(SHAPES)), kept.read_text()
    kept.write_text(content.replace(name, "model.layers.99.marked"))
    assert "model.layers.99.marked" in BaseFile(gguf, tmp_path / "cache").shapes, "it was not read again"
    write_base(gguf, dict(list(SHAPES.items())[1:]))
    assert name not in BaseFile(gguf, tmp_path / "cache").shapes, "another file, another entry"
