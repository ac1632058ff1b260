"""Files and folders that outlive a crash: there as a whole or not at all, or grown by whole lines."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

ENDING = "unfinished"
# Seconds: nothing takes so long to write.
ABANDONED = 24 * 60 * 60


class DamagedLine(ValueError):
    """A line of a log that is no entry; the message says which file and line, and what to do."""


def replace_text(path: Path, text: str) -> None:
    """After a crash the old or the new text is there, never none; of several writers at once, one's text."""
    with published_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


@contextmanager
def published_file(target: Path) -> Iterator[Path]:
    """A name for a file to write, which becomes `target` once all of it is on the disk. After an error it is
    gone.
    """
    unfinished = beside(target)
    try:
        yield unfinished
        replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def kept_folder(folder: Path, write: Callable[[Path], None]) -> Path:
    """What `write` puts into an empty folder, made where it is not there yet. Another process may be faster: what
    it kept under that name is the same. Raises OSError.
    """
    if not folder.is_dir():
        try:
            with published_folder(folder) as unfinished:
                unfinished.mkdir()
                write(unfinished)
        except OSError:
            if not folder.is_dir():
                raise
    return folder


@contextmanager
def published_folder(target: Path) -> Iterator[Path]:
    """A name for a folder to write, which becomes `target` once all of it is on the disk. After an error it
    is gone.

    Raises OSError where by then there is a folder of that name that is not empty.
    """
    make_folder(target.parent)
    unfinished = beside(target)
    try:
        yield unfinished
        for path in (*unfinished.rglob("*"), unfinished):
            flush(path)
        unfinished.rename(target)
        flush(target.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def beside(target: Path) -> Path:
    """A name in the same folder that nobody else writes to; what killed writers left there long ago is removed."""
    for left in target.parent.glob(f".*.{ENDING}"):
        if is_abandoned(left):
            remove(left)
    return target.with_name(f".{target.name}.{uuid4().hex}.{ENDING}")


def is_abandoned(path: Path) -> bool:
    try:
        # Not st_mtime: a folder that is copied gets that of its source.
        return time.time() - path.stat().st_ctime > ABANDONED
    except FileNotFoundError:
        # Finished meanwhile, or removed by another.
        return False


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """With those above it; each one's name is on the disk."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        flush(folder.parent)


def replace(unfinished: Path, target: Path) -> None:
    """Gives a file its name once all of it is on the disk."""
    flush(unfinished)
    unfinished.replace(target)
    flush(target.parent)


def append_entry(path: Path, entry: Mapping[str, Any]) -> None:
    """One line of JSON; a line that a crash cut short is dropped before it. Several writers wait for each other."""
    with path.open("a+b") as file:
        # Closing the file frees it, once all is written.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        whole = whole_lines(file.read())
        file.truncate(len(whole))
        ended = not whole or whole.endswith(b"\n")
        file.write((b"" if ended else b"\n") + json.dumps(entry).encode() + b"\n")
    flush(path)
    flush(path.parent)


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The oldest first. Raises DamagedLine."""
    return [entry_of(line, place) for line, place in entry_lines(path)]


def entry_lines(path: Path) -> Iterator[tuple[bytes, str]]:
    """Each with its place, none where there is no file; blank lines are passed over."""
    lines = whole_lines(path.read_bytes() if path.is_file() else b"").split(b"\n")
    return ((line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip())


def entry_of(line: bytes, place: str) -> dict[str, Any]:
    entry = parsed(line)
    if not isinstance(entry, dict):
        raise DamagedLine(
            f"{place} is no entry: expected an object in JSON, got {line[:80].decode(errors='replace')!r}. "
            "Mend the line, or take it out."
        )
    return entry


def whole_lines(content: bytes) -> bytes:
    """Without a last line that a crash cut short. One that only lacks its end, as editors leave it, is whole."""
    ended = content.rfind(b"\n") + 1
    return content[:ended] if parsed(content[ended:]) is None else content


def parsed(line: bytes) -> Any:
    """None where it is no JSON, as no first part of an entry is."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def flush(path: Path) -> None:
    """A file's content is on the disk, or a folder's names: a new name is only there once its folder is."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
