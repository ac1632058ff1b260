"""Files that outlive a crash: replaced as a whole, or grown by whole lines."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def replace_text(path: Path, text: str) -> None:
    """After a crash the old or the new text is there, never none."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync_folder(path.parent)


def append_entry(path: Path, entry: Mapping[str, Any]) -> None:
    """One line of JSON; a line that a crash cut short is dropped before it."""
    with path.open("a+b") as file:
        file.seek(0)
        file.truncate(len(whole_lines(file.read())))
        file.write(json.dumps(entry).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def read_entries(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes() if path.is_file() else b""
    return [json.loads(line) for line in whole_lines(content).splitlines()]


def whole_lines(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]


def sync_folder(folder: Path) -> None:
    """A new name is only on the disk once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
