"""The commands `triptych backup` and `triptych restore`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from adapters.terminal import REFUSED, ConfigOption, JsonOption, settings_of, show, stop
from configs.settings import Settings
from ingest.database import library_url
from service.backup import LIBRARY, BackupError, Contents, back_up, restore

ELSEWHERE = "The library is in another database: back it up and restore it with that database's own tools."


def backup_command(
    target: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Back up documents, conversations, adapters and evaluations; the service may run meanwhile."""
    with _told(config) as settings:
        made = back_up(settings.data.folder, library_url(settings.library.url, settings.data.folder), target)
    _show(
        made,
        f"{len(made.files)} files are in {target}. Keep it as safe as the data: it holds what people asked.",
        as_json,
    )


def restore_command(
    source: Annotated[Path, typer.Argument(help="A folder that `triptych backup` made.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Restore a backup into an empty data folder."""
    with _told(config) as settings:
        made = restore(source, settings.data.folder, library_url(settings.library.url, settings.data.folder))
    told = f"{len(made.files)} files of {made.made} are in {settings.data.folder}. The next start makes the index"
    _show(made, f"{told} anew, and another admin key, unless server.admin_key is set.", as_json)


def _show(contents: Contents, told: str, as_json: bool) -> None:
    show(contents.model_dump(), told if LIBRARY in contents.files else f"{told} {ELSEWHERE}", as_json)


@contextmanager
def _told(config: Path | None) -> Iterator[Settings]:
    """The settings; what can go wrong becomes a sentence and an exit code."""
    with settings_of(config, "A restore needs the data folder for itself: stop it first.") as settings:
        try:
            yield settings
        except (BackupError, OSError) as error:
            raise stop(str(error), REFUSED) from None
