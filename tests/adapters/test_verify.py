import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapters.card import CARD
from adapters.engines.protocol import AdapterRefused
from adapters.verify import CONFIG, MEANT, WEIGHTS, config_problems, verify
from ingest.models import file_sha256
from tests.adapters.conftest import BASE_SHA256, MakeAdapter, lora_config, lora_weights, write_adapter

Spoil = Callable[[Path], object]
Q = "base_model.model.model.layers.0.self_attn.q_proj"
A, B = f"{Q}.lora_A.weight", f"{Q}.lora_B.weight"


def test_an_adapter_that_fits_passes_with_its_card(make_adapter: MakeAdapter) -> None:
    assert verify(make_adapter(), BASE_SHA256).name == "style"


@pytest.mark.parametrize("key", ["auto_mapping", "modules_to_save", "use_dora", "rank_pattern", "loftq_config"])
@pytest.mark.parametrize("off", [None, False, [], {}])
def test_what_is_switched_off_does_not_hurt(make_adapter: MakeAdapter, key: str, off: object) -> None:
    verify(make_adapter(**{key: off}), BASE_SHA256)


def test_rank_stabilised_lora_passes(make_adapter: MakeAdapter) -> None:
    verify(make_adapter(use_rslora=True), BASE_SHA256)


def configured(**changes: Any) -> Spoil:
    return lambda folder: (folder / CONFIG).write_text(json.dumps(lora_config(**changes)))


def config_without(key: str) -> Spoil:
    content = {name: value for name, value in lora_config().items() if name != key}
    return lambda folder: (folder / CONFIG).write_text(json.dumps(content))


def written(name: str, content: bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(content)


def weighing(**changes: torch.Tensor | None) -> Spoil:
    """Other weights under a card that fits them: only what is in them is wrong."""
    named = {A if key == "a" else B if key == "b" else key: value for key, value in changes.items()}

    def spoil(folder: Path) -> None:
        weights = lora_weights(1) | named
        write_adapter(folder, {key: value for key, value in weights.items() if value is not None})

    return spoil


def with_value(value: float) -> torch.Tensor:
    matrix = torch.zeros(4, 32)
    matrix[3, 31] = value
    return matrix


def carded(**changes: Any) -> Spoil:
    def spoil(folder: Path) -> None:
        content = json.loads((folder / CARD).read_text())
        for key, value in changes.items():
            content.pop(key) if value is None else content.update({key: value})
        (folder / CARD).write_text(json.dumps(content))

    return spoil


def flip_last_byte(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)


def link_file(folder: Path) -> None:
    shutil.move(folder / WEIGHTS, folder.parent / WEIGHTS)
    (folder / WEIGHTS).symlink_to(folder.parent / WEIGHTS)


def link_folder(folder: Path) -> None:
    shutil.move(folder, folder.parent / "elsewhere")
    folder.symlink_to(folder.parent / "elsewhere")


def folder_for_file(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).mkdir()


def pickled(folder: Path) -> None:
    torch.save(lora_weights(1), folder / "adapter_model.bin")
    (folder / WEIGHTS).unlink()


def other_base(folder: Path) -> None:
    base = json.loads((folder / CARD).read_text())["base"]
    carded(base=base | {"sha256": "f" * 64})(folder)


WRONG: dict[str, tuple[Spoil, str]] = {
    "a Python file": (written("model.py", b"print()"), r"model\.py"),
    "a pickle beside the weights": (written("adapter_model.bin", b"\x80"), r"adapter_model\.bin"),
    "a pickle for the weights": (pickled, r"adapter_model\.bin"),
    "a hidden file": (written(".hidden", b""), r"\.hidden"),
    "a linked file": (link_file, "adapter_model.safetensors is a link"),
    "a linked folder": (link_folder, "not a plain folder"),
    "a folder for a file": (folder_for_file, "adapter_model.safetensors is a link or a folder"),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), "expected the files"),
    "no configuration": (lambda folder: (folder / CONFIG).unlink(), "expected the files"),
    "no card": (lambda folder: (folder / CARD).unlink(), "expected the files"),
    "nothing at all": (shutil.rmtree, "not a plain folder"),
    "a huge configuration": (written(CONFIG, b" " * (2**20 + 1)), "larger than"),
    "a huge card": (written(CARD, b" " * (2**20 + 1)), "larger than"),
    "another base": (other_base, "trained for the base ffffff"),
    "a card of another schema": (carded(surprise=1), "no adapter card"),
    "a card without its base": (carded(base=None), "no adapter card"),
    "a card with half a hash": (carded(weights_sha256="ab"), "no adapter card"),
    "a card that is not text": (written(CARD, b"\xff\xfe\x00"), "no adapter card"),
    "a flipped byte": (flip_last_byte, "the card says"),
    "weights cut short": (lambda folder: (folder / WEIGHTS).write_bytes(b""), "the card says"),
    "configuration that is not JSON": (written(CONFIG, b"{"), "not JSON"),
    "configuration that is not text": (written(CONFIG, b"\xff\xfe"), "not JSON"),
    "configuration that is a list": (written(CONFIG, b"[]"), "not an object"),
    "another kind of adapter": (configured(peft_type="IA3"), "peft_type is 'IA3'"),
    "no kind": (config_without("peft_type"), "peft_type is None"),
    "a classifier": (configured(task_type="SEQ_CLS"), "task_type is 'SEQ_CLS'"),
    "an initialisation that changes the base": (
        configured(init_lora_weights="pissa"),
        "init_lora_weights is 'pissa'",
    ),
    "a rank-stabilising word": (configured(use_rslora="yes"), "use_rslora is 'yes'"),
    "DoRA": (configured(use_dora=True), "use_dora is set"),
    "DoRA as a number": (configured(use_dora=1), "use_dora is set"),
    "modules to save": (configured(modules_to_save=["lm_head"]), "modules_to_save is set"),
    "auto mapping to other code": (configured(auto_mapping={"parent_library": "os"}), "auto_mapping is set"),
    "biases": (configured(bias="all"), "bias is 'all'"),
    "LoRA biases": (configured(lora_bias=True), "lora_bias is set"),
    "transposed layers": (configured(fan_in_fan_out=True), "fan_in_fan_out is set"),
    "ranks by layer": (configured(rank_pattern={"q_proj": 2}), "rank_pattern is set"),
    "repeated layers": (configured(layer_replication=[[0, 2]]), "layer_replication is set"),
    "an unknown setting": (configured(surprise="x"), "surprise is set"),
    "modules as a pattern": (configured(target_modules="all-linear"), "target_modules is 'all-linear'"),
    "no modules": (configured(target_modules=[]), "target_modules is"),
    "embeddings as a module": (configured(target_modules=["embed_tokens"]), "target_modules is"),
    "a huge rank": (configured(r=65536), "r is 65536"),
    "rank zero": (configured(r=0), "r is 0"),
    "a rank that is a word": (configured(r="8"), "r is '8'"),
    "a rank that is a switch": (configured(r=True), "r is True"),
    "a rank that the weights do not have": (configured(r=8), "does not fit rank 8"),
    "alpha not a number": (configured(lora_alpha=float("nan")), "lora_alpha is nan"),
    "alpha without end": (configured(lora_alpha=float("inf")), "lora_alpha is inf"),
    "alpha below zero": (configured(lora_alpha=-16), "lora_alpha is -16"),
    "weights for a module that is not named": (
        configured(target_modules=["q_proj"]),
        "not a LoRA weight of q_proj",
    ),
    "half a pair missing": (weighing(b=None), "lack their other half"),
    "not a number in the weights": (weighing(a=with_value(float("nan"))), "not finite"),
    "no end in the weights": (weighing(a=with_value(float("inf"))), "not finite"),
    "a matrix of another rank": (weighing(a=torch.zeros(5, 32)), "does not fit rank 4"),
    "a matrix with three sides": (weighing(a=torch.zeros(4, 32, 1)), "does not fit rank 4"),
    "an embedding among the weights": (
        weighing(**{"base_model.model.model.embed_tokens.weight": torch.zeros(8, 8)}),
        "embed_tokens.weight is not a LoRA weight",
    ),
    "an unknown weight": (weighing(surprise=torch.zeros(1)), "surprise is not a LoRA weight"),
    "a magnitude vector": (
        weighing(**{f"{Q}.lora_magnitude_vector": torch.zeros(32)}),
        "lora_magnitude_vector is not a LoRA weight",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused_by_name(make_adapter: MakeAdapter, case: str) -> None:
    spoil, reason = WRONG[case]
    folder = make_adapter()
    spoil(folder)
    with pytest.raises(AdapterRefused, match=rf"(?s)style/1 is refused: .*{reason}"):
        verify(folder, BASE_SHA256)


def test_a_module_without_weights_is_refused(tmp_path: Path) -> None:
    weights = {key: value for key, value in lora_weights(1).items() if "q_proj" not in key}
    with pytest.raises(AdapterRefused, match="no weights for q_proj"):
        verify(write_adapter(tmp_path / "style" / "1", weights), BASE_SHA256)


def test_an_adapter_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdapterRefused, match="no weights for"):
        verify(write_adapter(tmp_path / "style" / "1", {}), BASE_SHA256)


def test_weights_that_are_no_safetensors_are_refused(make_adapter: MakeAdapter) -> None:
    folder = make_adapter()
    torch.save(lora_weights(1), folder / WEIGHTS)
    carded(weights_sha256=file_sha256(folder / WEIGHTS))(folder)
    with pytest.raises(AdapterRefused, match="cannot be read"):
        verify(folder, BASE_SHA256)


@given(key=st.text(min_size=1), value=st.integers() | st.floats() | st.just(True) | st.text(min_size=1))
def test_no_setting_beside_plain_lora_comes_through(key: str, value: object) -> None:
    if key not in MEANT:
        assert config_problems(lora_config(**{key: value})) == [f"{key} is set"]
