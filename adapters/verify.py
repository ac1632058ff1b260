"""The gate in front of every load: an adapter that is not exactly what its card says is refused by name."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from adapters.card import CARD, Card, CardError, read_card
from adapters.engines.protocol import AdapterRefused

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
FILES = {CARD, CONFIG, WEIGHTS}
MODULES = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
KEY = re.compile(r"base_model\.model\.model\.layers\.\d+\.\w+\.(\w+)\.lora_([AB])\.weight")
MAX_RANK = 64
MAX_BYTES = {CARD: 2**20, CONFIG: 2**20, WEIGHTS: 512 * 2**20}

# What PEFT writes beside these must be absent, empty or switched off: anything else changes how weights act.
MEANT = {
    "base_model_name_or_path",
    "bias",
    "inference_mode",
    "init_lora_weights",
    "lora_alpha",
    "lora_dropout",
    "peft_type",
    "peft_version",
    "r",
    "revision",
    "target_modules",
    "task_type",
    "use_rslora",
}

# Other values load without an error and act differently: an `init_lora_weights` such as pissa changes the base.
CHOICES: Mapping[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "task_type": ("CAUSAL_LM", None),
    "bias": ("none", None),
    "init_lora_weights": (True, False, None, "gaussian"),
    "use_rslora": (True, False, None),
}


def verify(folder: Path, base: str) -> Card:
    """The adapter's card, once everything fits: files, configuration, hashes, shapes, finite values, base.

    `base` is the SHA-256 of the base that serves. Raises AdapterRefused with the reason.
    """
    check_files(folder)
    try:
        card = read_card(folder)
    except CardError as error:
        raise refused(folder, str(error)) from error
    config = check_config(folder)
    check_base(folder, card, base)
    check_hash(folder, card)
    check_weights(folder, int(config["r"]), frozenset(config["target_modules"]))
    return card


def refused(folder: Path, reason: str) -> AdapterRefused:
    return AdapterRefused(f"The adapter in {folder.parent.name}/{folder.name} is refused: {reason}")


def check_files(folder: Path) -> None:
    """Exactly the three files, none of them a link: nothing else could be loaded by accident."""
    if folder.is_symlink() or not folder.is_dir():
        raise refused(folder, "it is not a plain folder.")
    found = {path.name for path in folder.iterdir()}
    if found != FILES:
        raise refused(folder, f"expected the files {', '.join(sorted(FILES))}, got {', '.join(sorted(found))}.")
    odd = [path.name for path in folder.iterdir() if path.is_symlink() or not path.is_file()]
    if odd:
        raise refused(folder, f"{', '.join(odd)} is a link or a folder, expected plain files.")
    for name, most in MAX_BYTES.items():
        if (folder / name).stat().st_size > most:
            raise refused(folder, f"{name} is larger than {most // 2**20} MiB.")


def check_config(folder: Path) -> Mapping[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise refused(folder, f"{CONFIG} is not JSON: {error}") from error
    problems = config_problems(config) if isinstance(config, dict) else ["it is not an object"]
    if problems:
        raise refused(folder, f"{CONFIG}: {'; '.join(problems)}.")
    return dict(config)


def config_problems(config: Mapping[str, Any]) -> list[str]:
    """What is not plain LoRA on linear layers."""
    problems = [f"{key} is set" for key, value in config.items() if key not in MEANT and is_set(value)]
    for key, allowed in CHOICES.items():
        value = config.get(key)
        # Not `value in allowed`: 1 would pass for True.
        if (type(value), value) not in [(type(one), one) for one in allowed]:
            problems.append(f"{key} is {value!r}, expected {' or '.join(map(repr, allowed))}")
    rank, alpha, modules = config.get("r"), config.get("lora_alpha"), config.get("target_modules")
    if not isinstance(rank, int) or isinstance(rank, bool) or not 1 <= rank <= MAX_RANK:
        problems.append(f"r is {rank!r}, expected 1 to {MAX_RANK}")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not 0 < alpha <= 16 * MAX_RANK:
        problems.append(f"lora_alpha is {alpha!r}, expected a number over 0, at most {16 * MAX_RANK}")
    if not isinstance(modules, list) or not modules or not set(map(str, modules)) <= MODULES:
        problems.append(f"target_modules is {modules!r}, expected some of {', '.join(sorted(MODULES))}")
    return problems


def is_set(value: Any) -> bool:
    """A number is always set: 0 and 1 would pass for False and True."""
    return not (value is None or value is False or value in ("", [], {}))


def check_base(folder: Path, card: Card, base: str) -> None:
    if card.base.sha256 != base:
        raise refused(folder, f"it was trained for the base {card.base.sha256[:12]}, serving is {base[:12]}.")


def check_hash(folder: Path, card: Card) -> None:
    actual = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    if actual != card.weights_sha256:
        raise refused(folder, f"its weights have the hash {actual[:12]}, the card says {card.weights_sha256[:12]}.")


def check_weights(folder: Path, rank: int, modules: frozenset[str]) -> None:
    """Pairs of A (rank, in) and B (out, rank) for the modules that the configuration names, every value finite."""
    sides: dict[str, set[str]] = {}
    try:
        with safe_open(folder / WEIGHTS, framework="pt") as weights:
            for key in weights.keys():
                match = KEY.fullmatch(key)
                if not match or match[1] not in modules:
                    raise refused(folder, f"{key} is not a LoRA weight of {', '.join(sorted(modules))}.")
                check_matrix(folder, key, weights.get_tensor(key).float().numpy(), rank, match[2])
                sides.setdefault(key.replace(f"lora_{match[2]}", "lora"), set()).add(match[2])
    except SafetensorError as error:
        raise refused(folder, f"{WEIGHTS} cannot be read: {error}") from error
    if alone := [key for key, found in sides.items() if found != {"A", "B"}]:
        raise refused(folder, f"{len(alone)} of {len(sides)} weights lack their other half, such as {alone[0]}.")
    if missing := modules - {key.split(".")[-3] for key in sides}:
        raise refused(folder, f"it has no weights for {', '.join(sorted(missing))}.")


def check_matrix(folder: Path, key: str, matrix: np.ndarray, rank: int, side: str) -> None:
    got = matrix.shape[0 if side == "A" else -1] if matrix.ndim == 2 else None
    if got != rank:
        raise refused(folder, f"{key} has the shape {matrix.shape}, which does not fit rank {rank}.")
    if not np.isfinite(matrix).all():
        raise refused(folder, f"{key} has values that are not finite.")
