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
    replace(unfinished, path)


def replace(unfinished: Path, target: Path) -> None:
    """Gives a file its name once all of it is on the disk."""
    flush(unfinished)
    unfinished.replace(target)
    flush(target.parent)


def append_entry(path: Path, entry: Mapping[str, Any]) -> None:
    """One line of JSON; a line that a crash cut short is dropped before it."""
    with path.open("a+b") as file:
        file.seek(0)
        file.truncate(len(whole_lines(file.read())))
        file.write(json.dumps(entry).encode() + b"\n")
    flush(path)
    flush(path.parent)


def read_entries(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes() if path.is_file() else b""
    return [json.loads(line) for line in whole_lines(content).splitlines()]


def whole_lines(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]


def flush(path: Path) -> None:
    """A file's content is on the disk, or a folder's names: a new name is only there once its folder is."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
