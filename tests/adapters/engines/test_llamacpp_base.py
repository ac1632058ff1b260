from pathlib import Path

import pytest

from adapters.engines.llamacpp_base import served_gguf
from adapters.header import header_of, read_gguf
from ingest.models import ModelError, file_sha256
from tests.adapters.conftest import BASE_SHA256


def test_a_base_of_a_slow_kind_is_written_in_eight_bits_once(gguf: Path, tmp_path: Path) -> None:
    served = served_gguf(gguf, BASE_SHA256, tmp_path)
    assert [header_of(read_gguf(file)).kind for file in (gguf, served)] == ["Q4_1", "Q8_0"]
    made = served.stat().st_mtime_ns
    assert served_gguf(gguf, BASE_SHA256, tmp_path) == served
    assert served.stat().st_mtime_ns == made
    # What is fast already is served as it is.
    assert served_gguf(served, file_sha256(served), tmp_path) == served


def test_what_is_no_model_file_leaves_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"cut short")
    with pytest.raises(ModelError, match="no GGUF file"):
        served_gguf(broken, "0" * 64, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
