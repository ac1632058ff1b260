"""Where documents come from: files below folders, and uploads in memory."""

import os
import stat
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
    None where only single files were named, or a folder below is among the `unreadable`: that tells nothing about
    others.
    """

    files: tuple[DiskFile, ...]
    skipped: tuple[str, ...]
    present: frozenset[str] | None
    unreadable: tuple[str, ...] = ()


def discover(paths: Sequence[Path]) -> Discovery:
    """Files with a supported suffix; hidden files are passed over, others are listed as skipped, and so are folders
    that are linked or cannot be read.

    Raises SourceError where there is nothing at a path, or nothing that can be read, and where two files would have
    the same name.
    """
    found: dict[str, DiskFile] = {}
    skipped: list[DiskFile] = []
    for file in (file for path in paths for file in _below(path)):
        if file.path.suffix.lower() not in SUFFIXES or not _may_hold_text(file.path):
            skipped.append(file)
        elif found.setdefault(file.source, file).path != file.path:
            raise SourceError(
                f"Two files would both be called {file.source}: {found[file.source].path} and {file.path}. "
                "Give the folder above both, or use a collection for each."
            )
    files = tuple(found[source] for source in sorted(found))
    unreadable = tuple(sorted(file.source for file in skipped if _is_closed(file.path)))
    present = frozenset(found) if any(path.is_dir() for path in paths) and not unreadable else None
    return Discovery(files, tuple(sorted(file.source for file in skipped)), present, unreadable)


def is_source_name(name: str) -> bool:
    """Whether an uploaded name is a plain relative path: no '..', no leading slash, no control characters."""
    parts = PurePosixPath(name).parts
    plain = name.isprintable() and not name.startswith("/") and "\\" not in name
    return bool(parts) and plain and ".." not in parts and name == str(PurePosixPath(name))


def _below(path: Path) -> Iterator[DiskFile]:
    try:
        yield from [DiskFile(_name(path, path.parent), path)] if path.is_file() else _in_folder(path)
    except FileNotFoundError as error:
        raise SourceError(f"There is no file or folder {error.filename}.") from None
    except OSError as error:
        raise SourceError(
            f"The folder {error.filename} cannot be read ({error.strerror}), so nothing was changed. Let this user "
            "read it, move it away, or give only the folders that can be read."
        ) from error


def _in_folder(root: Path) -> Iterator[DiskFile]:
    """All but what is hidden; of a linked folder the link only (it may lead anywhere), of a closed one the name."""
    for place, folders, files in os.walk(root, onerror=_raised):
        folder = Path(place)
        folders[:] = [name for name in folders if not name.startswith(".")]
        left_out = [name for name in folders if (folder / name).is_symlink() or _is_closed(folder / name)]
        for name in sorted(files + left_out):
            if not name.startswith("."):
                yield DiskFile(_name(folder / name, root), folder / name)
        folders[:] = [name for name in folders if name not in left_out]


def _raised(error: OSError) -> None:
    raise error


def _is_closed(path: Path) -> bool:
    """A folder of another user's, such as lost+found on a volume of its own."""
    return path.is_dir() and not path.is_symlink() and not os.access(path, os.R_OK | os.X_OK)


def _may_hold_text(path: Path) -> bool:
    """No folder, pipe or device. What cannot be looked at is there: it is refused with a reason when it is read."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _name(file: Path, root: Path) -> str:
    # A name that is not UTF-8 on disk has no place in a database: its odd bytes become question marks.
    return os.fsencode(file.relative_to(root).as_posix()).decode(errors="replace")
