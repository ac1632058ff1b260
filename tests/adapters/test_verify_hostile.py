"""Folders that are hostile or wrong: each is refused, and the reason names what is wrong with it."""

import os
import pickle
import re
import shutil
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.card import CARD, CONFIG, WEIGHTS
from adapters.engines.protocol import AdapterRefused
from adapters.verify import verify
from tests.adapters.hostile import (
    Spoil,
    based,
    changed,
    configuration,
    configured,
    edited,
    linked,
    lying,
    matrices,
    packed,
    replaced,
    tensor,
    weighing,
    with_header,
    without,
    write,
    written,
)
from tests.adapters.small_adapter import BASE_SHA256, LAYERS, RANK, SHAPES, WIDTH

LAYER = "base_model.model.model.layers"
Q = f"{LAYER}.0.self_attn.q_proj"
A, B = f"{Q}.lora_A.weight", f"{Q}.lora_B.weight"
GATE_A, GATE_B = (f"{LAYER}.0.mlp.gate_proj.lora_{side}.weight" for side in "AB")
ZEROS = np.zeros((RANK, WIDTH), np.float32)
ONE = tensor(np.zeros((1, 1), np.float32))
WHOLE = packed(matrices())
DEEP = b'{"r":' * 100_000


def a(value: float, kind: str = "F32") -> Spoil:
    """One value in one matrix."""
    matrix = ZEROS.copy()
    matrix[3, 31] = value
    raw = {"F32": matrix, "F16": matrix.astype("<f2"), "BF16": (matrix.view("<u4") >> 16).astype("<u2")}[kind]
    return changed(**{A: tensor(raw, kind)})


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        os.chdir(path.parent)
        one.bind(path.name)


def emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def into_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()


def sparse(name: str, size: int) -> Spoil:
    return lambda folder: os.truncate(folder / name, size)


def header_says(name: bytes, shape: bytes, end: int) -> Spoil:
    inside = b'{"%s":{"dtype":"F32","shape":%s,"data_offsets":[0,%d]}}' % (name, shape, end)
    return weighing(with_header(inside, bytes(16)))


FILES: dict[str, tuple[Spoil, str]] = {
    "a Python file": (written("model.py", b"print()"), r"model\.py"),
    "a package": (written("__init__.py"), r"__init__\.py"),
    "a library": (written("lib.so", b"\x7fELF"), r"lib\.so"),
    "a pickle beside the weights": (written("adapter_model.bin", b"\x80"), r"adapter_model\.bin"),
    "a pickle for the weights": (
        lambda folder: (folder / WEIGHTS).rename(folder / "adapter_model.bin"),
        r"adapter_model\.bin",
    ),
    "a checkpoint": (written("adapter_model.pt"), r"adapter_model\.pt"),
    "more weights": (written("model.safetensors"), r" model\.safetensors"),
    "weights in parts": (written("adapter_model.safetensors.index.json", b"{}"), "index"),
    "a tokenizer": (written("tokenizer.json", b"{}"), "tokenizer"),
    "a chat template": (written("chat_template.jinja"), "chat_template"),
    "a hidden file": (written(".hidden"), r"\.hidden"),
    "a name with a line's end": (written("card.json\n"), "card.json\n"),
    "a folder beside": (lambda folder: (folder / "original").mkdir(), "original"),
    "linked weights": (linked(WEIGHTS), f"{WEIGHTS} is not a plain file"),
    "a linked configuration": (linked(CONFIG), f"{CONFIG} is not a plain file"),
    "a linked card": (linked(CARD), f"{CARD} is not a plain file"),
    "a link to nothing": (replaced(CARD, lambda path: path.symlink_to("/nothing")), "not a plain file"),
    "a link to a device": (replaced(CONFIG, lambda path: path.symlink_to("/dev/zero")), "not a plain file"),
    "a linked version": (linked(), "not a plain folder"),
    "a linked name": (linked(".."), "not a plain folder"),
    "a folder for the weights": (replaced(WEIGHTS, Path.mkdir), "not a plain file"),
    "a folder for the configuration": (replaced(CONFIG, Path.mkdir), "not a plain file"),
    "a folder for the card": (replaced(CARD, Path.mkdir), "not a plain file"),
    "a pipe for the weights": (replaced(WEIGHTS, os.mkfifo), "not a plain file"),
    "a pipe for the configuration": (replaced(CONFIG, os.mkfifo), "not a plain file"),
    "a pipe for the card": (replaced(CARD, os.mkfifo), "not a plain file"),
    "a socket": (replaced(CONFIG, make_socket), "not a plain file"),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), "expected the files"),
    "no configuration": (lambda folder: (folder / CONFIG).unlink(), "expected the files"),
    "no card": (lambda folder: (folder / CARD).unlink(), "expected the files"),
    "an empty folder": (emptied, "got "),
    "no folder": (shutil.rmtree, "not a plain folder"),
    "a file for the folder": (into_a_file, "not a plain folder"),
    "a huge card": (sparse(CARD, 2**20 + 1), f"{CARD} is larger"),
    "a huge configuration": (sparse(CONFIG, 2**20 + 1), f"{CONFIG} is larger"),
    "huge weights": (sparse(WEIGHTS, 2**29 + 1), f"{WEIGHTS} is larger"),
}

CARDS: dict[str, tuple[Spoil, str]] = {
    "an empty card": (written(CARD), "no adapter card"),
    "a card cut short": (written(CARD, b'{"name":'), "no adapter card"),
    "a card that is a list": (written(CARD, b"[]"), "no adapter card"),
    "a card that is not text": (written(CARD, b"\xff\xfe\x00"), "no adapter card"),
    "a card without a floor": (written(CARD, DEEP), "no adapter card"),
    "a card with more": (edited(CARD, surprise=1), "surprise"),
    "a card of another schema": (edited(CARD, schema_version=2), "schema_version"),
    "a card without its base": (edited(CARD, base=None), "base"),
    "a card without its data": (edited(CARD, data=None), "data"),
    "a card whose minutes are words": (edited(CARD, minutes="long"), "minutes"),
    "half a hash": (edited(CARD, weights_sha256="ab"), "weights_sha256"),
    "a hash in capitals": (edited(CARD, weights_sha256="AB" * 32), "weights_sha256"),
    "a hash and a line's end": (edited(CARD, weights_sha256="ab" * 32 + "\n"), "weights_sha256"),
    "a base's hash in capitals": (based(sha256=BASE_SHA256.upper()), "sha256"),
    "another base of the same shape": (based(sha256="f" * 64), "trained for the base ffffff"),
    "another adapter's card": (lying(name="brief"), "'brief', the folder is of 'style'"),
    "a name that climbs": (lying(name="../../etc/style"), "etc/style', the folder"),
    "a name from the root": (lying(name="/style"), "'/style', the folder"),
    "a name in capitals": (lying(name="Style"), "'Style', the folder"),
    "no name": (lying(name=""), "'', the folder"),
    "the hash of other weights": (lying(weights_sha256="a" * 64), "the card says aaaaaa"),
    "a card without a seal": (edited(CARD, seal=None), "after the card was sealed"),
    "another card's seal": (edited(CARD, seal="a" * 64), "after the card was sealed"),
    "scores made better": (edited(CARD, scores={"recall": 1.0}), "after the card was sealed"),
    "a strength changed afterwards": (edited(CONFIG, lora_alpha=9), "after the card was sealed"),
    "a module taken out afterwards": (edited(CONFIG, target_modules=["q_proj"]), "after the card was sealed"),
}

SET: dict[str, list[Any]] = {
    "use_dora": [True, 1, "false"],
    "use_qalora": [True],
    "modules_to_save": [["lm_head"]],
    "auto_mapping": [{"parent_library": "os"}],
    "lora_bias": [True],
    "fan_in_fan_out": [True],
    "rank_pattern": [{"q_proj": 2}],
    "alpha_pattern": [{"q_proj": 64}],
    "layers_pattern": ["layers"],
    "layers_to_transform": [[0], 0],
    "layer_replication": [[[0, 2]]],
    "trainable_token_indices": [[1], {"embed_tokens": [1]}],
    "target_parameters": [["experts"]],
    "exclude_modules": [["q_proj"]],
    "megatron_config": [{"x": 1}],
    "loftq_config": [{"loftq_bits": 4}],
    "corda_config": [{"x": 1}],
    "alora_invocation_tokens": [[1, 2]],
    "arrow_config": [{"x": 1}],
    "runtime_config": [{"ephemeral_gpu_offload": True}],
    "ensure_weight_tying": [True],
    "surprise": ["x"],
}
VALUES: dict[str, list[Any]] = {
    "peft_type": ["IA3", "LOHA", "PROMPT_TUNING", "lora", None],
    "task_type": ["SEQ_CLS", "TOKEN_CLS"],
    "bias": ["all", "lora_only"],
    "init_lora_weights": ["pissa", "pissa_niter_4", "eva", "olora", "corda", "loftq", "lora_ga", 1],
    "use_rslora": ["yes", 1],
    "inference_mode": ["yes"],
    "target_modules": ["all-linear", ".*", [], ["embed_tokens"], ["q_proj", "lm_head"], [["q_proj"]], None],
    "r": [65536, 65, 0, -1, 8.0, "8", True, None],
    "lora_alpha": [float("nan"), float("inf"), 0, -16, 1e9, "16", True, None],
    "lora_dropout": [float("nan"), 2, -0.1, "0.1"],
}
CONFIGS: dict[str, tuple[Spoil, str]] = {
    **{f"{key} {value!r}": (configured(**{key: value}), f"{key} is set") for key in SET for value in SET[key]},
    **{
        f"{key} {value!r}": (configured(**{key: value}), f"{key} is {re.escape(repr(value))}")
        for key in VALUES
        for value in VALUES[key]
    },
    "a base that is a number": (configured(base_model_name_or_path=1), "base_model_name_or_path is not"),
    "a base that is endless": (configured(base_model_name_or_path="x" * 501), "base_model_name_or_path is not"),
    "a revision that is a list": (configured(revision=["main"]), "revision is not"),
    "an empty configuration": (configuration(b""), "not JSON"),
    "a configuration cut short": (configuration(b'{"r":'), "not JSON"),
    "a configuration that is not text": (configuration(b"\xff\xfe"), "not JSON"),
    "a configuration with a byte-order mark": (configuration(b"\xef\xbb\xbf{}"), "not JSON"),
    "a configuration without a floor": (configuration(DEEP), "not JSON"),
    "an endless number": (configuration(b'{"r":' + b"9" * 10_000 + b"}"), "not JSON"),
    "a list for a configuration": (configuration(b"[]"), "not an object"),
    "nothing for a configuration": (configuration(b"null"), "not an object"),
    "an empty object": (configuration(b"{}"), "peft_type is None"),
}

WEIGHT: dict[str, tuple[Spoil, str]] = {
    "the last byte flipped": (written(WEIGHTS, WHOLE[:-1] + bytes([WHOLE[-1] ^ 1])), "the card says"),
    "a byte more": (written(WEIGHTS, WHOLE + b"\0"), "the card says"),
    "another adapter's weights": (written(WEIGHTS, packed({A: ONE})), "the card says"),
    "an empty file": (weighing(b""), "cannot be read"),
    "weights cut short": (weighing(WHOLE[:-1]), "cannot be read"),
    "half of the header": (weighing(WHOLE[:100]), "cannot be read"),
    "noise": (weighing(np.random.default_rng(1).bytes(1000)), "cannot be read"),
    "a pickle under a safe name": (weighing(pickle.dumps({A: [0.0]})), "cannot be read"),
    "a huge header": (weighing((2**40).to_bytes(8, "little") + WHOLE[8:]), "cannot be read"),
    "a header that is a list": (weighing(with_header(b"[]")), "cannot be read"),
    "a header that is not text": (weighing(with_header(b"\xff\xfe")), "cannot be read"),
    "a header without a floor": (weighing(with_header(DEEP)), "cannot be read"),
    "bytes behind the end": (header_says(A.encode(), b"[2,2]", 999), "cannot be read"),
    "bytes for another shape": (header_says(A.encode(), b"[9,9]", 16), "cannot be read"),
    "a shape below zero": (header_says(A.encode(), b"[-2,-2]", 16), "cannot be read"),
    "a shape beyond all numbers": (header_says(A.encode(), b"[4294967296,4294967296]", 16), "cannot be read"),
    "no matrices": (weighing(packed({})), f"{4 * 7} of {4 * 7} weights are missing"),
    "half a pair": (changed(**{B: None}), re.escape(f"1 of 28 weights are missing, such as {B}")),
    "no last layer": (without(f"layers.{LAYERS - 1}."), r"14 of 28 weights are missing, such as \S+layers\.1"),
    "no first layer": (without("layers.0."), r"14 of 28 weights are missing, such as \S+layers\.0"),
    "no q_proj": (without("q_proj"), "4 of 28 weights are missing, such as .*q_proj"),
    "one q_proj less": (without(Q), "2 of 28 weights are missing, such as .*q_proj"),
    "a layer too many": (changed(**{A.replace(".0.", ".2."): ONE}), "no place on the base, such as .*layers.2"),
    "a layer without end": (changed(**{A.replace(".0.", f".{10**12}."): ONE}), "not a LoRA weight"),
    "a layer twice": (changed(**{A.replace(".0.", ".00."): ONE}), "not a LoRA weight"),
    "a module in another part": (changed(**{A.replace("self_attn", "mlp"): ONE}), "no place on the base"),
    "a name that climbs, in the weights": (changed(**{"../../weight": ONE}), "not a LoRA weight"),
    "an embedding": (changed(**{"base_model.model.model.embed_tokens.weight": ONE}), "embed_tokens"),
    "embedding LoRA": (changed(**{"base_model.model.model.embed_tokens.lora_embedding_A": ONE}), "embedding_A"),
    "a head": (changed(**{"base_model.model.lm_head.weight": ONE}), "lm_head"),
    "a norm": (changed(**{f"{LAYER}.0.input_layernorm.weight": ONE}), "layernorm"),
    "a magnitude vector": (changed(**{f"{Q}.lora_magnitude_vector": ONE}), "magnitude"),
    "a bias": (changed(**{f"{Q}.lora_B.bias": ONE}), "bias"),
    "the base's own weights": (changed(**{f"{Q}.base_layer.weight": ONE}), "base_layer"),
    "a name of PEFT's inside": (changed(**{f"{Q}.lora_A.default.weight": ONE}), "default"),
    "no prefix": (changed(**{A.removeprefix("base_model."): ONE}), "not a LoRA weight"),
    "weights for a module that is not named": (configured(target_modules=["q_proj"]), "not a LoRA weight of q"),
    "a rank that the weights do not have": (configured(r=8), "at rank 8"),
    "one matrix of another rank": (changed(**{A: tensor(np.zeros((5, WIDTH), "<f4"))}), "5 x 32, expected 4 x 32"),
    "A transposed": (changed(**{A: tensor(ZEROS.T)}), "32 x 4, expected 4 x 32"),
    "B transposed": (changed(**{B: tensor(ZEROS)}), "4 x 32, expected 32 x 4"),
    "A and B exchanged": (changed(**{A: matrices()[B], B: matrices()[A]}), "32 x 4, expected 4 x 32"),
    "a narrower layer": (changed(**{GATE_B: tensor(ZEROS.T)}), "32 x 4, expected 64 x 4"),
    "a wider layer": (changed(**{GATE_A: tensor(np.zeros((4, 64), "<f4"))}), "4 x 64, expected 4 x 32"),
    "a matrix with three sides": (changed(**{A: tensor(ZEROS[..., None])}), "4 x 32 x 1"),
    "a vector": (changed(**{A: tensor(ZEROS[0])}), "shape 32, expected"),
    "a number": (changed(**{A: tensor(ZEROS[0, 0])}), "shape , expected"),
    "an empty matrix": (changed(**{A: tensor(np.zeros((0, WIDTH), "<f4"))}), "0 x 32"),
    "int8": (changed(**{A: tensor(ZEROS.astype("i1"), "I8")}), "type I8"),
    "int64": (changed(**{A: tensor(ZEROS.astype("<i8"), "I64")}), "type I64"),
    "double precision": (changed(**{A: tensor(ZEROS.astype("<f8"), "F64")}), "type F64"),
    "eight bits": (changed(**{A: tensor(ZEROS.astype("u1"), "F8_E4M3")}), "type F8_E4M3"),
    "truth values": (changed(**{A: tensor(ZEROS.astype("?"), "BOOL")}), "type BOOL"),
    **{
        f"{value} in {kind}": (a(float(value), kind), "not finite")
        for value in ("nan", "inf", "-inf")
        for kind in ("F32", "F16", "BF16")
    },
}

CASES = FILES | CARDS | CONFIGS | WEIGHT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(tmp_path / "style" / "1")


def test_the_adapter_that_the_others_are_made_from_passes(folder: Path) -> None:
    assert verify(folder, BASE_SHA256, SHAPES).name == "style"


def test_no_case_is_there_twice() -> None:
    named = Counter([*FILES, *CARDS, *CONFIGS, *WEIGHT])
    assert len(named) == named.total() > 100


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_by_name(folder: Path, case: str) -> None:
    spoil, reason = CASES[case]
    spoil(folder)
    with pytest.raises(AdapterRefused, match=rf"(?s)style/1 is refused: .*{reason}"):
        verify(folder, BASE_SHA256, SHAPES)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from([CARD, CONFIG, WEIGHTS]), st.integers(0, 10**6), st.integers(0, 7))
def test_a_bit_flipped_anywhere_is_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, place: int, bit: int
) -> None:
    folder = write(tmp_path_factory.mktemp("flipped") / "style" / "1")
    content = bytearray((folder / name).read_bytes())
    content[place % len(content)] ^= 1 << bit
    (folder / name).write_bytes(content)
    with pytest.raises(AdapterRefused, match="style/1 is refused"):
        verify(folder, BASE_SHA256, SHAPES)
