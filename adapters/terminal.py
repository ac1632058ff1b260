"""What the adapter commands share: options, exit codes, settings with their errors, and output."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from adapters.card import CardError
from adapters.decisions.policy import PolicyError
from adapters.engines.protocol import AdapterRefused
from adapters.prompt import PromptError
from adapters.registry import UnknownAdapter
from configs.load import ConfigurationError, current_environment, load_settings
from configs.settings import Settings
from ingest.database import LibraryError, told
from ingest.durable import DamagedLine
from ingest.models import ModelError
from ingest.owner import FolderInUse

REFUSED, WRONG_USE, IN_USE = 1, 2, 3
WRONG = (
    CardError,
    ConfigurationError,
    DamagedLine,
    LibraryError,
    ModelError,
    PolicyError,
    PromptError,
    UnknownAdapter,
)
PROMOTE_THERE = "Promote there: POST /admin/adapters/NAME/promote."

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Settings file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]


@contextmanager
def settings_of(config: Path | None, in_use: str = PROMOTE_THERE) -> Iterator[Settings]:
    """The settings; what can go wrong becomes a sentence and an exit code. `in_use`: what to do about an owner."""
    try:
        yield load_settings(config, current_environment()).settings
    except AdapterRefused as error:
        raise stop(str(error), REFUSED) from None
    except WRONG as error:
        raise stop(str(error), WRONG_USE) from None
    except FolderInUse as error:
        raise stop(f"{error} {in_use}", IN_USE) from None
    except SQLAlchemyError as error:
        raise stop(told(error), REFUSED) from None


def cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def show(values: object, text: RenderableType, as_json: bool) -> None:
    if as_json:
        json.dump(values, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        Console().print(text)


def stop(message: str, code: int) -> typer.Exit:
    # soft_wrap: a path broken over two lines cannot be copied.
    Console(stderr=True).print(Text(message, style="red"), soft_wrap=True)
    return typer.Exit(code)
