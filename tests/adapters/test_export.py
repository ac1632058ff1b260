from pathlib import Path

import pytest
from gguf import GGUFReader

from adapters.export import Form, export
from adapters.verify import verify
from tests.adapters.conftest import BASE_SHA256, SHIPPED

SHIPPED_STYLE = SHIPPED / "house-style" / "2"


def test_the_folder_passes_the_gate_as_it_is(gguf: Path, tmp_path: Path) -> None:
    folder = export(SHIPPED_STYLE, gguf, Form.peft, tmp_path / "house-style" / "7")
    card = verify(folder, BASE_SHA256, None)
    assert card.name == "house-style"
    assert {file.name for file in folder.iterdir()} == {
        "card.json",
        "adapter_config.json",
        "adapter_model.safetensors",
    }


def test_the_lora_file_is_one_of_llama_cpp(gguf: Path, tmp_path: Path) -> None:
    reader = GGUFReader(export(SHIPPED_STYLE, gguf, Form.gguf, tmp_path / "style.gguf"))
    assert reader.fields["general.type"].contents() == "adapter"
    assert reader.fields["adapter.type"].contents() == "lora"
    assert {tensor.name.rpartition(".")[2] for tensor in reader.tensors} == {"lora_a", "lora_b"}


def test_the_merged_file_is_a_whole_model(gguf: Path, tmp_path: Path) -> None:
    merged = GGUFReader(export(SHIPPED_STYLE, gguf, Form.merged, tmp_path / "whole.gguf"))
    before = GGUFReader(gguf)
    assert [tensor.name for tensor in merged.tensors] == [tensor.name for tensor in before.tensors]
    assert "tokenizer.chat_template" in merged.fields


def test_a_folder_that_cannot_be_copied_whole_is_not_there(gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "adapter_model.safetensors").write_bytes(b"weights")
    with pytest.raises(FileNotFoundError):
        export(tmp_path / "torn", gguf, Form.peft, tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["torn"]


@pytest.mark.parametrize("form", Form)
def test_what_is_there_is_left_alone(gguf: Path, tmp_path: Path, form: Form) -> None:
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(FileExistsError, match="is there already"):
        export(SHIPPED_STYLE, gguf, form, tmp_path / "kept")
    assert (tmp_path / "kept").read_text() == "mine"
