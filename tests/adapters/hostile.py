"""Ways to spoil an adapter's folder. Its card is sealed again, so that only the one fault is there."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adapters.card import CARD, CONFIG, WEIGHTS, write_card
from tests.adapters.small_adapter import RANK, SHAPES, card, lora_config

Spoil = Callable[[Path], object]
# Type, shape and bytes, as the safetensors format has them.
Tensor = tuple[str, list[int], bytes]


def tensor(array: np.ndarray, kind: str = "F32") -> Tensor:
    return kind, list(array.shape), array.tobytes()


def matrices() -> dict[str, Tensor]:
    chance = np.random.default_rng(1)
    made = {}
    for place, (outputs, inputs) in SHAPES.items():
        for side, shape in (("A", (RANK, inputs)), ("B", (outputs, RANK))):
            made[f"base_model.model.{place}.lora_{side}.weight"] = tensor(chance.random(shape, np.float32))
    return made


def packed(tensors: Mapping[str, Tensor]) -> bytes:
    header, content = {}, b""
    for name, (kind, shape, data) in tensors.items():
        offsets = [len(content), len(content) + len(data)]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": offsets}
        content += data
    return with_header(json.dumps(header).encode(), content)


def with_header(header: bytes, content: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + content


def write(folder: Path, weights: bytes | None = None, config: bytes | None = None, **fields: Any) -> Path:
    """A whole adapter whose card fits its weights and configuration; `fields` are the card's lies."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS).write_bytes(packed(matrices()) if weights is None else weights)
    (folder / CONFIG).write_bytes(json.dumps(lora_config()).encode() if config is None else config)
    sha256 = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    write_card(card(**{"weights_sha256": sha256, "name": folder.parent.name} | fields), folder)
    return folder


def weighing(content: bytes) -> Spoil:
    return lambda folder: write(folder, weights=content)


def changed(**tensors: Tensor | None) -> Spoil:
    """Some matrices changed, added, or taken away (None)."""
    whole = matrices() | tensors
    return weighing(packed({name: one for name, one in whole.items() if one is not None}))


def without(part: str) -> Spoil:
    return weighing(packed({name: one for name, one in matrices().items() if part not in name}))


def configured(**values: Any) -> Spoil:
    return configuration(json.dumps(lora_config(**values)).encode())


def configuration(content: bytes) -> Spoil:
    return lambda folder: write(folder, config=content)


def lying(**fields: Any) -> Spoil:
    """A card with other fields, sealed."""
    return lambda folder: write(folder, **fields)


def edited(name: str, **values: Any) -> Spoil:
    """The card or the configuration changed in place after it was sealed; None takes a key away."""

    def spoil(folder: Path) -> None:
        content = json.loads((folder / name).read_text()) | values
        kept = {key: value for key, value in content.items() if value is not None}
        (folder / name).write_text(json.dumps(kept))

    return spoil


def based(**hashes: str) -> Spoil:
    """A card with another base, sealed or not: a hash that is none is seen first."""

    def spoil(folder: Path) -> None:
        base = json.loads((folder / CARD).read_text())["base"]
        edited(CARD, base=base | hashes)(folder)

    return spoil


def written(name: str, content: bytes = b"") -> Spoil:
    return lambda folder: (folder / name).write_bytes(content)


def replaced(name: str, make: Spoil) -> Spoil:
    """Something else in a file's place."""

    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return spoil


def linked(name: str = "") -> Spoil:
    """The file, the version's folder (no name) or the adapter's folder (..) moved away and linked to."""

    def spoil(folder: Path) -> None:
        place = folder.parent if name == ".." else folder / name
        away = place.rename(folder.parents[1] / "elsewhere")
        place.symlink_to(away)

    return spoil
