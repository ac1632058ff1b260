from pathlib import Path

import gguf as gguf_files
import pytest

from adapters.export import Form, export
from adapters.verify import verify
from ingest.models import ModelError, locate
from tests.adapters.engines.conftest import BASE, BASE_SHA256, SHIPPED

SHIPPED_STYLE = SHIPPED / "house-style" / "2"


@pytest.fixture(scope="module")
def base() -> Path:
    try:
        return locate(BASE, BASE_SHA256)
    except ModelError as error:
        pytest.skip(str(error))


def test_the_folder_passes_the_gate_as_it_is(base: Path, tmp_path: Path) -> None:
    folder = export(SHIPPED_STYLE, base, Form.peft, tmp_path / "house-style" / "7")
    card = verify(folder, BASE_SHA256, None)
    assert card.name == "house-style"
    assert {file.name for file in folder.iterdir()} == {
        "card.json",
        "adapter_config.json",
        "adapter_model.safetensors",
    }


def test_the_lora_file_is_one_of_llama_cpp(base: Path, tmp_path: Path) -> None:
    reader = gguf_files.GGUFReader(export(SHIPPED_STYLE, base, Form.gguf, tmp_path / "style.gguf"))
    assert reader.fields["general.type"].contents() == "adapter"
    assert reader.fields["adapter.type"].contents() == "lora"
    assert {tensor.name.rpartition(".")[2] for tensor in reader.tensors} == {"lora_a", "lora_b"}


def test_the_merged_file_is_a_whole_model(base: Path, tmp_path: Path) -> None:
    merged = gguf_files.GGUFReader(export(SHIPPED_STYLE, base, Form.merged, tmp_path / "whole.gguf"))
    before = gguf_files.GGUFReader(base)
    assert [tensor.name for tensor in merged.tensors] == [tensor.name for tensor in before.tensors]
    assert "tokenizer.chat_template" in merged.fields


@pytest.mark.parametrize("form", Form)
def test_what_is_there_is_left_alone(base: Path, tmp_path: Path, form: Form) -> None:
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(FileExistsError, match="is there already"):
        export(SHIPPED_STYLE, base, form, tmp_path / "kept")
    assert (tmp_path / "kept").read_text() == "mine"
