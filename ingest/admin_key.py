"""The admin key: the one of the settings, or the one that the data folder keeps."""

from pathlib import Path

from configs.load import ConfigurationError
from configs.settings import Settings


def known_key(settings: Settings) -> str | None:
    """Without blanks around it, as a header has it; None where there is none yet. Raises ConfigurationError."""
    file = key_file(settings)
    if settings.server.admin_key:
        return checked(settings.server.admin_key.get_secret_value(), "server.admin_key", "set null")
    if file.is_file():
        return checked(file.read_text(encoding="utf-8"), str(file), "remove the file")
    return None


def key_file(settings: Settings) -> Path:
    return settings.data.folder / "admin.key"


def checked(text: str, place: str, otherwise: str) -> str:
    """The key in it. None is not made in its place: whoever emptied it is to know."""
    if not text.strip():
        raise ConfigurationError(
            f"{place} is empty, expected the admin key. Put one there, or {otherwise}: the next start makes one."
        )
    return text.strip()
