import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

from ingest.embed import Embedder
from ingest.embed_adapter import ADAPTER_WEIGHTS, CARD, CONFIG, EmbedderCard, check_adapter
from ingest.models import WEIGHTS, ModelError, file_sha256

TEXTS = ["When can I visit the intensive care unit?", "Parking costs $3 an hour.", "fees"]
Change = Callable[[Path], None]


def seal(folder: Path, embedder_sha256: str) -> None:
    card = EmbedderCard(
        created="2026-11-25",
        embedder_sha256=embedder_sha256,
        weights_sha256=file_sha256(folder / ADAPTER_WEIGHTS),
        config_sha256=file_sha256(folder / CONFIG),
        rows_sha256="0" * 64,
        questions=1,
        held_back=(),
        recipe={},
        libraries={},
        machine="any",
        minutes=1,
        scores={},
    )
    (folder / CARD).write_text(card.model_dump_json())


@pytest.fixture(scope="module")
def peft_model(model_folder: Path) -> SentenceTransformer:
    """The packaged embedder with a random LoRA that acts, as PEFT itself applies it."""
    torch.manual_seed(0)
    model = SentenceTransformer(str(model_folder), device="cpu", local_files_only=True)
    model.add_adapter(LoraConfig(r=2, lora_alpha=4, target_modules=["dense", "query"], init_lora_weights=False))
    return model


@pytest.fixture
def adapter(peft_model: SentenceTransformer, model_folder: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    assert peft_model.transformers_model is not None
    peft_model.transformers_model.save_pretrained(str(folder))
    seal(folder, file_sha256(model_folder / WEIGHTS))
    return folder


def test_the_merged_adapter_gives_the_vectors_that_peft_gives(
    adapter: Path, peft_model: SentenceTransformer, model_folder: Path, embedder: Embedder
) -> None:
    adapted = Embedder(model_folder, adapter=adapter)
    expected = peft_model.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(adapted.embed(TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(adapted.embed_queries(TEXTS), expected, atol=1e-5)
    assert np.abs(embedder.embed(TEXTS) - expected).max() > 0.01


def test_another_adapter_makes_other_vectors_and_so_another_collection(
    adapter: Path, model_folder: Path, embedder: Embedder
) -> None:
    prints = [embedder.fingerprint, Embedder(model_folder, adapter=adapter).fingerprint]
    weights = load_file(adapter / ADAPTER_WEIGHTS)
    save_file({name: 2 * tensor for name, tensor in weights.items()}, adapter / ADAPTER_WEIGHTS)
    seal(adapter, file_sha256(model_folder / WEIGHTS))
    prints.append(Embedder(model_folder, adapter=adapter).fingerprint)
    configure(adapter, lora_alpha=8)
    prints.append(Embedder(model_folder, adapter=adapter).fingerprint)
    assert len(set(prints)) == len(prints)


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object], sealed: bool = True) -> None:
    weights = load_file(folder / ADAPTER_WEIGHTS)
    change(weights)
    save_file(weights, folder / ADAPTER_WEIGHTS)
    if sealed:
        seal(folder, json.loads((folder / CARD).read_text())["embedder_sha256"])


def configure(folder: Path, sealed: bool = True, **values: object) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | values))
    if sealed:
        seal(folder, json.loads((folder / CARD).read_text())["embedder_sha256"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "is not an adapter for an embedder"),
        (lambda folder: (folder / CARD).unlink(), "is not an adapter for an embedder"),
        (lambda folder: (folder / CARD).write_text("{}"), "is not an adapter for an embedder"),
        (lambda folder: (folder / ADAPTER_WEIGHTS).unlink(), "is not an adapter for an embedder"),
        (lambda folder: configure(folder, sealed=False, lora_alpha=400), "a file was changed"),
        (lambda folder: configure(folder, r=0), "r\n"),
        (lambda folder: configure(folder, use_rslora=True), "use_rslora"),
        (lambda folder: configure(folder, use_dora=True), "use_dora"),
        (lambda folder: configure(folder, alpha_pattern={"query": 8}), "alpha_pattern"),
        (lambda folder: change_weights(folder, lambda w: w.popitem(), sealed=False), "a file was changed"),
        (lambda folder: seal(folder, "f" * 64), "made for another embedder"),
    ],
)
def test_a_foreign_or_changed_adapter_is_refused_before_anything_is_loaded(
    adapter: Path, model_folder: Path, change: Change, message: str
) -> None:
    check_adapter(adapter, file_sha256(model_folder / WEIGHTS))
    change(adapter)
    with pytest.raises(ModelError, match=message):
        Embedder(model_folder, adapter=adapter)


def test_weights_that_are_no_safetensors_are_refused(adapter: Path, model_folder: Path) -> None:
    (adapter / ADAPTER_WEIGHTS).write_bytes(b"no weights")
    seal(adapter, file_sha256(model_folder / WEIGHTS))
    with pytest.raises(ModelError, match="cannot be read"):
        Embedder(model_folder, adapter=adapter).load()


A = "base_model.model.encoder.layer.0.attention.self.query.lora_A.weight"
B = A.replace("lora_A", "lora_B")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop(B), "lacks"),
        (lambda w: w[B].zero_(), "does not change"),
        (lambda w: w[B].fill_(float("nan")), "not finite"),
        (lambda w: w.update({A.replace("layer.0", "layer.99"): w[A].clone()}), "has no weight"),
        (lambda w: w.update({B: w[B][:-1].clone()}), "does not fit"),
        (lambda w: w.update({A: w[A][:, :1].clone()}), "does not fit"),
        (lambda w: w.update({A: w[A][:1].clone()}), "does not fit"),
    ],
)
def test_weights_that_do_not_fit_are_refused_when_they_are_loaded(
    adapter: Path, model_folder: Path, change: Callable[[dict[str, torch.Tensor]], object], message: str
) -> None:
    change_weights(adapter, change)
    with pytest.raises(ModelError, match=message):
        Embedder(model_folder, adapter=adapter).load()
