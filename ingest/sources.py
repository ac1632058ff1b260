"""Where documents come from: files below folders, and uploads in memory."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from ingest.parse import SUFFIXES


class SourceError(Exception):
    """The paths to ingest cannot be used as they are; the message says why."""


class SourceFile(Protocol):
    """A file to ingest, under the name that its document will have."""

    @property
    def source(self) -> str: ...

    def read(self, limit: int) -> bytes:
        """Its content; of a larger file the first `limit` + 1 bytes."""
        ...


@dataclass(frozen=True, slots=True)
class DiskFile:
    source: str
    path: Path

    def read(self, limit: int) -> bytes:
        with self.path.open("rb") as file:
            return file.read(limit + 1)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came over the network; its name is only ever a name, no path is opened with it."""

    source: str
    content: bytes

    def __post_init__(self) -> None:
        if not is_source_name(self.source):
            raise SourceError(
                f"An uploaded file needs a plain relative name such as guides/a.md, got {self.source!r}."
            )

    def read(self, limit: int) -> bytes:
        return self.content[: limit + 1]


@dataclass(frozen=True, slots=True)
class Discovery:
    """The files below some paths.

    `present` are their names where a folder was searched: a document whose name is not there is gone. It is
    None where only single files were named: they tell nothing about others.
    """

    files: tuple[DiskFile, ...]
    skipped: tuple[str, ...]
    present: frozenset[str] | None


def discover(paths: Sequence[Path]) -> Discovery:
    """Files with a supported suffix; hidden files are passed over, others are listed as skipped.

    Raises SourceError where there is nothing at a path, or two files would have the same name.
    """
    found: dict[str, DiskFile] = {}
    skipped: list[str] = []
    for file in (file for path in paths for file in _below(path)):
        if file.path.suffix.lower() not in SUFFIXES:
            skipped.append(file.source)
        elif found.setdefault(file.source, file).path != file.path:
            raise SourceError(
                f"Two files would both be called {file.source}: {found[file.source].path} and {file.path}. "
                "Give the folder above both, or use a collection for each."
            )
    files = tuple(found[source] for source in sorted(found))
    present = frozenset(found) if any(path.is_dir() for path in paths) else None
    return Discovery(files, tuple(sorted(skipped)), present)


def is_source_name(name: str) -> bool:
    """Whether an uploaded name is a plain relative path: no '..', no leading slash, no control characters."""
    parts = PurePosixPath(name).parts
    plain = name.isprintable() and not name.startswith("/") and "\\" not in name
    return bool(parts) and plain and ".." not in parts and name == str(PurePosixPath(name))


def _below(path: Path) -> Iterator[DiskFile]:
    if path.is_file():
        yield DiskFile(_name(path, path.parent), path)
    elif not path.is_dir():
        raise SourceError(f"There is no file or folder {path}.")
    for file in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if file.is_file() and not hidden:
            yield DiskFile(_name(file, path), file)


def _name(file: Path, root: Path) -> str:
    # A name that is not UTF-8 on disk has no place in a database: its odd bytes become question marks.
    return os.fsencode(file.relative_to(root).as_posix()).decode(errors="replace")
