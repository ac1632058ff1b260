"""An adapter for other programs: PEFT's folder, llama.cpp's LoRA file, or a base that has it in its weights."""

import shutil
from enum import StrEnum
from pathlib import Path

from adapters.card import CARD, CONFIG, WEIGHTS
from adapters.convert import lora_gguf
from adapters.header import header_of, read_gguf
from adapters.merge import merged_gguf
from ingest.durable import published_folder


class Form(StrEnum):
    """`peft` is a folder with weights, configuration and card; `gguf` and `merged` are one file for llama.cpp.

    At another strength than it was trained at, an adapter has no card.
    """

    peft = "peft"
    gguf = "gguf"
    merged = "merged"


def export(folder: Path, base: Path, form: Form, target: Path) -> Path:
    """Writes the verified adapter in `folder`, for the GGUF `base`, to `target`, which must not be there yet.

    Raises OSError where it cannot be written, FileExistsError among them, and ConversionError.
    """
    if target.exists():
        raise FileExistsError(f"{target} is there already. Name another target, or move it away.")
    match form:
        case Form.peft:
            return copied(folder, target)
        case Form.gguf:
            return lora_gguf(folder, header_of(read_gguf(base)), target)
        case Form.merged:
            return merged_gguf(folder, base, target)


def copied(folder: Path, target: Path) -> Path:
    """Only what the gate has looked at; all of it or nothing."""
    with published_folder(target) as unfinished:
        unfinished.mkdir()
        for name in (WEIGHTS, CONFIG):
            shutil.copyfile(folder / name, unfinished / name)
        if (folder / CARD).exists():
            shutil.copyfile(folder / CARD, unfinished / CARD)
    return target
