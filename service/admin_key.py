"""The admin key of a service: the known one, or a new one, which its first start makes."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from configs.load import ConfigurationError
from configs.settings import Settings
from ingest.admin_key import key_file, known_key
from ingest.durable import beside, flush


def admin_key(settings: Settings) -> str:
    """Raises ConfigurationError where there is an empty one, OSError where a new one cannot be written."""
    key, file = known_key(settings), key_file(settings)
    if key is None:
        settings.data.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_key(file)
        key = known_key(settings)
    if key is None:
        raise ConfigurationError(f"{file} is no file, expected one with the admin key. Move it away.")
    return key


def make_key(file: Path) -> None:
    """For its owner alone, and whole or not at all; of several processes at once, the first one's stays."""
    unfinished = beside(file)
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as key:
            key.write(secrets.token_urlsafe(32) + "\n")
        flush(unfinished)
        # Not renamed: that would replace a key which another process has made meanwhile, and serves with.
        with suppress(FileExistsError):
            file.hardlink_to(unfinished)
        flush(file.parent)
    finally:
        unfinished.unlink(missing_ok=True)
