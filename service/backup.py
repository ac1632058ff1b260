"""A backup of all that is not derived, made while the service runs, and the way back into an empty data folder."""

import os
import shutil
from collections.abc import Collection
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import URL

from ingest.database import Database
from ingest.durable import ENDING, flush, make_folder, published_file, published_folder, remove
from ingest.models import file_sha256
from ingest.owner import LOCK, OwnerLock
from ingest.sources import is_source_name

# Adapters of one's own with what was promoted, kept evaluations, proposals of examples.
FOLDERS = ("adapters", "evaluations", "harvest")
LIBRARY, LIST = "library.db", "backup.json"


class BackupError(Exception):
    """Nothing was backed up or restored; the message says why and what to do."""


class Contents(BaseModel):
    """What a backup holds: when it was made (UTC, ISO 8601), and the SHA-256 of each file by its relative name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal[1] = 1
    made: str
    files: dict[str, str]


def back_up(folder: Path, database: URL, target: Path) -> Contents:
    """The library as of one moment, page by page while others write, and the folders; there whole or not at all.

    A library in PostgreSQL is not in it: its own tools back it up. Raises BackupError, LibraryError, OSError.
    """
    if target.exists():
        raise BackupError(f"{target} is there already, and a backup is never overwritten. Name another folder.")
    library = file_of(database)
    if library and not library.is_file():
        raise BackupError(f"There is nothing to back up: {library} is not there. Is it the right settings file?")
    with published_folder(target) as unfinished:
        # It holds what people asked.
        unfinished.mkdir(mode=0o700)
        if library:
            with closing(Database(database)) as opened:
                opened.copy_to(unfinished / LIBRARY)
        for name in FOLDERS:
            copy_folder(folder / name, unfinished / name)
        check_names(unfinished, folder)
        contents = Contents(made=datetime.now(UTC).isoformat(timespec="seconds"), files=hashes(unfinished))
        (unfinished / LIST).write_text(contents.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return contents


def restore(source: Path, folder: Path, database: URL) -> Contents:
    """Every file is compared with its hash before the first one is copied; after an error nothing is there.

    What is derived (index, caches) is made anew at the next start. Raises BackupError, FolderInUse, OSError.
    """
    contents, library = checked(source), file_of(database)
    if LIBRARY in contents.files and library is None:
        raise BackupError(
            f"{source} holds a library in SQLite, and library.url names another database: set it null."
        )
    check_own(folder)
    with OwnerLock(folder):
        check_empty(folder, library)
        put_back(source, contents.files, folder, library)
    return contents


def file_of(database: URL) -> Path | None:
    """The library's file; None where it is no file's."""
    if database.get_backend_name() == "sqlite" and database.database:
        return Path(database.database)
    return None


def copy_folder(source: Path, target: Path) -> None:
    """Without locks, and what is hidden: unfinished files, copies of adapters at other strengths."""
    try:
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns(LOCK, ".*"))
    except shutil.Error as error:
        reasons = [reason for *_, reason in error.args[0]]
        raise BackupError(
            f"{len(reasons)} of the files in {source} cannot be copied, so nothing was backed up. "
            f"The first: {reasons[0]}. Let this user read it; move away a link that leads nowhere."
        ) from error


def check_names(copied: Path, folder: Path) -> None:
    """A backup whose names a restore refuses is none. Raises BackupError."""
    refused = [name for name in names_below(copied) if not is_source_name(name)]
    if refused:
        raise BackupError(
            f"A restore would refuse these names in {folder}: {', '.join(map(repr, refused))}. Rename them: no "
            "backslash, no control characters, UTF-8. Nothing was backed up."
        )


def names_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def hashes(folder: Path) -> dict[str, str]:
    return {name: file_sha256(folder / name) for name in names_below(folder)}


def checked(source: Path) -> Contents:
    """Its list, once all files are as it says. Raises BackupError."""
    try:
        contents = Contents.model_validate_json((source / LIST).read_bytes())
    except (OSError, ValidationError) as error:
        raise BackupError(f"{source} is no backup: its {LIST} cannot be read ({error}).") from error
    for name, sha256 in contents.files.items():
        if not is_source_name(name):
            raise BackupError(f"{source} names {name!r}, which leads out of it. Nothing was restored.")
        if not (source / name).is_file() or file_sha256(source / name) != sha256:
            raise BackupError(
                f"{source / name} is not what was backed up. Nothing was restored: take another backup."
            )
    return contents


def check_own(folder: Path) -> None:
    """What another user puts there, the service can neither read nor write. Raises BackupError."""
    own = os.geteuid()
    if folder.exists() and (owner := folder.stat().st_uid) != own:
        raise BackupError(
            f"{folder} belongs to user {owner}, and this is user {own}: the service could not use what this "
            "restores. Restore as the user who runs it, or give the folder to this one."
        )


def check_empty(folder: Path, library: Path | None) -> None:
    """But for the lock, what a killed restore left, and what is on every new disk."""
    passed_over = {folder / LOCK, folder / "lost+found", *left_by_killed(folder)}
    there = sorted({*folder.iterdir(), *parts(library)} - passed_over)
    if there:
        raise BackupError(
            f"The place to restore to ({folder}) is not empty: {', '.join(map(str, there))}. "
            "Move all of it away: a restore adds to nothing."
        )


def parts(library: Path | None) -> list[Path]:
    """What is there of a library. SQLite would play a log that a killed service left into a new file beside it."""
    names = [library.with_name(library.name + end) for end in ("", "-wal", "-shm", "-journal")] if library else []
    return [path for path in names if path.exists()]


def left_by_killed(folder: Path) -> list[Path]:
    """Whoever has the folder's lock is the only one who writes there."""
    return list(folder.glob(f".*.{ENDING}"))


def put_back(source: Path, names: Collection[str], folder: Path, library: Path | None) -> None:
    """Nothing has its name before all is copied: a service would start on a half of it."""
    for left in left_by_killed(folder):
        remove(left)
    unfinished = folder / f".restored.{ENDING}"
    try:
        for name in sorted({*names} - {LIBRARY}):
            place(source / name, unfinished / name)
        if library and LIBRARY in names:
            # It holds what people asked: a folder that is made for it is private, as the data folder is.
            library.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            place(source / LIBRARY, library)
        for path in unfinished.glob("*"):
            path.rename(folder / path.name)
        flush(folder)
    finally:
        remove(unfinished)


def place(source: Path, target: Path) -> None:
    make_folder(target.parent)
    with published_file(target) as unfinished:
        shutil.copyfile(source, unfinished)
