"""The gate in front of every load: an adapter that is not exactly what its card says is refused by name."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from adapters.card import CARD, CONFIG, WEIGHTS, Card, CardError, read_card, seal_of
from adapters.engines.protocol import AdapterRefused
from adapters.header import LINEAR, Shapes
from adapters.prompt import PromptTemplate
from adapters.weights import WeightsError, check_weights

FILES = {CARD, CONFIG, WEIGHTS}
MODULES = {name.rpartition(".")[2] for name in LINEAR}
MAX_RANK = 64
MAX_BYTES = {CARD: 2**20, CONFIG: 2**20, WEIGHTS: 512 * 2**20}
MAX_TEXT = 500

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
    "inference_mode": (True, False, None),
}
TEXTS = ("base_model_name_or_path", "peft_version", "revision")


def verify(folder: Path, base: str, shapes: Shapes | None = None) -> Card:
    """The card of the adapter in NAME/VERSION, once everything fits: files, configuration, base, hashes, weights.

    `base` is the SHA-256 of the base that serves, `shapes` its linear layers; None where the base is on another
    machine. Raises AdapterRefused with the reason.
    """
    check_files(folder)
    try:
        card = read_card(folder)
        config = check_config(folder)
        check_card(folder, card, base)
        content = checked_content(folder, card)
        check_weights(content, int(config["r"]), frozenset(config["target_modules"]), shapes)
    except (CardError, WeightsError) as error:
        raise refused(folder, str(error)) from error
    except OSError as error:
        raise refused(folder, f"it cannot be read: {error}") from error
    return card


def refused(folder: Path, reason: str) -> AdapterRefused:
    return AdapterRefused(f"The adapter in {folder.parent.name}/{folder.name} is refused: {reason}")


def check_files(folder: Path) -> None:
    """Exactly the three files, none of them a link: nothing else could be loaded by accident."""
    if folder.is_symlink() or folder.parent.is_symlink() or not folder.is_dir():
        raise refused(folder, "it is not a plain folder.")
    found = {path.name for path in folder.iterdir()}
    if found != FILES:
        raise refused(folder, f"expected the files {', '.join(sorted(FILES))}, got {', '.join(sorted(found))}.")
    odd = [path.name for path in folder.iterdir() if path.is_symlink() or not path.is_file()]
    if odd:
        raise refused(folder, f"{', '.join(odd)} is not a plain file, but a link, a folder or a device.")
    for name, most in MAX_BYTES.items():
        if (folder / name).stat().st_size > most:
            raise refused(folder, f"{name} is larger than {most // 2**20} MiB.")


def check_config(folder: Path) -> Mapping[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
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
    modules = config.get("target_modules")
    if not isinstance(modules, list) or not modules or not set(map(str, modules)) <= MODULES:
        problems.append(f"target_modules is {modules!r}, expected some of {', '.join(sorted(MODULES))}")
    return problems + number_problems(config) + text_problems(config)


def number_problems(config: Mapping[str, Any]) -> list[str]:
    problems = []
    rank, alpha, dropout = config.get("r"), config.get("lora_alpha"), config.get("lora_dropout", 0.0)
    if not isinstance(rank, int) or isinstance(rank, bool) or not 1 <= rank <= MAX_RANK:
        problems.append(f"r is {rank!r}, expected 1 to {MAX_RANK}")
    if not is_number(alpha) or not 0 < alpha <= 16 * MAX_RANK:
        problems.append(f"lora_alpha is {alpha!r}, expected a number over 0, at most {16 * MAX_RANK}")
    if not is_number(dropout) or not 0 <= dropout < 1:
        problems.append(f"lora_dropout is {dropout!r}, expected a number from 0 to below 1")
    return problems


def is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def text_problems(config: Mapping[str, Any]) -> list[str]:
    """Nothing here reads these texts, but libraries might."""
    return [
        f"{key} is not a short text"
        for key in TEXTS
        if (value := config.get(key)) is not None and not (isinstance(value, str) and len(value) <= MAX_TEXT)
    ]


def is_set(value: Any) -> bool:
    """A number is always set: 0 and 1 would pass for False and True."""
    return not (value is None or value is False or value in ("", [], {}))


def check_card(folder: Path, card: Card, base: str) -> None:
    if card.name != folder.parent.name:
        raise refused(folder, f"its card is that of {card.name[:64]!r}, the folder is of {folder.parent.name!r}.")
    if card.base.sha256 != base:
        raise refused(folder, f"it was trained for the base {card.base.sha256[:12]}, serving is {base[:12]}.")
    if card.seal != seal_of(card, folder):
        raise refused(folder, f"{CARD} or {CONFIG} was changed after the card was sealed.")


def checked_content(folder: Path, card: Card) -> bytes:
    """The weights file, read once: what is hashed is what is checked."""
    content = (folder / WEIGHTS).read_bytes()
    actual = hashlib.sha256(content).hexdigest()
    if actual != card.weights_sha256:
        raise refused(folder, f"its weights have the hash {actual[:12]}, the card says {card.weights_sha256[:12]}.")
    return content


def prompt_warning(card: Card, template: PromptTemplate) -> str | None:
    """An adapter acts under another prompt, too, and experiments may ask for that: it is told, not refused."""
    if card.prompt_sha256 == template.hash:
        return None
    return (
        f"{card.name} was trained with the prompt {card.prompt} ({card.prompt_sha256[:12]}); "
        f"{template.label} ({template.hash[:12]}) serves, so its answers may not be what was measured. "
        "Train it again with that prompt, or serve the one of its card."
    )
