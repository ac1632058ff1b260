"""One process owns a data folder: a lock of the operating system for as long as the process lives."""

import fcntl
import json
import os
from pathlib import Path
from typing import Self

_SIZE = 1024
LOCK = "owner.lock"


class FolderInUse(Exception):
    """Another process owns the data folder. `url` is its service's address, once it has announced one."""

    def __init__(self, folder: Path, pid: int | None, url: str | None) -> None:
        super().__init__(
            f"The folder {folder} is in use by process {pid or 'unknown'}"
            + (f", the service at {url}." if url else ". Wait until it ends, or stop it.")
        )
        self.pid = pid
        self.url = url


class OwnerLock:
    """Takes the folder, made if needed, or raises FolderInUse at once. Any death of the process frees it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = json.loads(os.pread(self._descriptor, _SIZE, 0) or b"{}")
            os.close(self._descriptor)
            raise FolderInUse(folder, owner.get("pid"), owner.get("url")) from None
        self._write(None)

    def announce(self, url: str) -> None:
        """Tells others where the service that owns the folder listens."""
        self._write(url)

    def close(self) -> None:
        """Frees the folder; once is enough."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, url: str | None) -> None:
        # One write of one fixed size: whoever reads meanwhile sees the old owner or the new one, never half.
        owner = json.dumps({"pid": os.getpid(), "url": url}).encode()
        os.pwrite(self._descriptor, owner.ljust(_SIZE), 0)
