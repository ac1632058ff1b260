"""An adapter at another strength than it was trained at: NAME@VERSION*STRENGTH multiplies its change of weights."""

import hashlib
import json
import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

from adapters.card import CARD, CONFIG, WEIGHTS
from adapters.engines.protocol import AdapterRefused, AdapterWeights, EngineError
from ingest.durable import kept_folder
from ingest.models import file_sha256

STRONGEST = 1.5
# In tenths: each strength that someone asks for may cost an engine a copy of the base on the disk.
SUFFIX = re.compile(r"(.+)\*([0-9](?:\.[0-9])?)")


def split_strength(label: str) -> tuple[str, float]:
    """What stands before the star, and the strength: 1 without one. Raises AdapterRefused outside 0 < s <= 1.5."""
    if "*" not in label:
        return label, 1.0
    found = SUFFIX.fullmatch(label)
    strength = float(found[2]) if found else 0.0
    if not found or not 0 < strength <= STRONGEST:
        raise AdapterRefused(
            f"{label!r} names no strength that an adapter can act with: expected NAME*STRENGTH, a number over 0, "
            f"at most {STRONGEST}, in tenths. To do without the adapter, switch it off."
        )
    return found[1], strength


def with_strength(label: str, strength: float) -> str:
    """One name for one thing: tenths, and strength 1 has no star."""
    rounded = round(strength, 1)
    return label if rounded == 1 else f"{label}*{rounded:g}"


def at_strength(weights: AdapterWeights, strength: float, cache: Path) -> AdapterWeights:
    """A copy of a verified adapter's PEFT files with its LoRA scaling multiplied: every engine applies it alike.

    Its name and its hash are its own: nothing that is cached for one strength is used for another. The card is not
    copied: its seal, scores and probe are of the whole strength.
    """
    if strength == 1:
        return weights
    sha256 = hashlib.sha256(f"{weights.sha256}*{strength:g}".encode()).hexdigest()
    folder = cache / sha256
    if not is_copy(folder, weights, strength):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            kept_folder(folder, partial(write_scaled, Path(weights.folder), strength))
        except OSError as error:
            told = f"A copy of {weights.folder} at the strength {strength:g} cannot be kept: {error}"
            raise EngineError(told) from error
    return replace(weights, name=with_strength(weights.name, strength), folder=str(folder), sha256=sha256, probe=())


def is_copy(folder: Path, weights: AdapterWeights, strength: float) -> bool:
    """The gate has seen the adapter itself, not a copy that was made before: that has to say the same."""
    if not ((folder / WEIGHTS).is_file() and (folder / CONFIG).is_file()) or (folder / CARD).exists():
        return False
    scaled = scaled_config(Path(weights.folder), strength)
    return (folder / CONFIG).read_bytes() == scaled and file_sha256(folder / WEIGHTS) == weights.sha256


def write_scaled(source: Path, strength: float, target: Path) -> None:
    shutil.copyfile(source / WEIGHTS, target / WEIGHTS)
    (target / CONFIG).write_bytes(scaled_config(source, strength))


def scaled_config(source: Path, strength: float) -> bytes:
    config = json.loads((source / CONFIG).read_bytes())
    config["lora_alpha"] *= strength
    return json.dumps(config).encode()
