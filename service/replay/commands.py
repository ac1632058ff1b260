"""The command `triptych replay`: a stored turn again, with nothing switched or with other layers."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from adapters.engines.protocol import EngineError
from adapters.terminal import REFUSED, WRONG_USE, ConfigOption, JsonOption, settings_of, show, stop
from configs.settings import Settings
from service.build import WRONG_SETUP, build
from service.plan import FACTORS, Factor
from service.records import UnknownMessage
from service.replay.report import Replay
from service.replay.terminal import as_terminal
from service.replay.turn import ReplayRefused, replayed
from service.retrieve import RetrievalError

# What OpenAI's clients see before a message's id.
COMPLETION = "chatcmpl-"


class WrongSwitch(ValueError):
    """An option that names no layer, no value, or a layer that was named already."""


def replay_command(
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="The message_id of a stored answer.")],
    without: Annotated[
        list[str] | None, typer.Option(help="Switch this layer off: prompt, retrieval or adapter; repeat for more.")
    ] = None,
    instead: Annotated[
        list[str] | None, typer.Option("--with", help="LAYER=NAME, such as adapter=house-style@1; repeat for more.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Ask a stored question again as it was asked, or with other layers: both answers, and what differs."""
    with _settings(config) as settings:
        switches = switches_of(without or (), instead or ())
        replay = asyncio.run(_replay(settings, message.removeprefix(COMPLETION), switches))
    show(replay.as_dict(), as_terminal(replay), as_json)


def switches_of(without: Sequence[str], instead: Sequence[str]) -> dict[Factor, str]:
    """Layer -> `off` or a name. Raises WrongSwitch."""
    asked = [*((layer, "off") for layer in without), *(pair(option) for option in instead)]
    found: dict[Factor, str] = {}
    for name, value in asked:
        factor = factor_of(name)
        if factor in found:
            raise WrongSwitch(f"The layer {factor} is switched twice: {found[factor]} and {value}. Switch it once.")
        found[factor] = value
    return found


def pair(option: str) -> tuple[str, str]:
    layer, _, value = option.partition("=")
    if not value:
        raise WrongSwitch(f"Expected --with LAYER=NAME such as adapter=house-style@1, got {option!r}.")
    return layer, value


def factor_of(name: str) -> Factor:
    for factor in FACTORS:
        if factor == name:
            return factor
    raise WrongSwitch(f"There is no layer {name!r}; there are: {', '.join(FACTORS)}.")


async def _replay(settings: Settings, message: str, switches: dict[Factor, str]) -> Replay:
    async with build(settings) as chatbot:
        return await replayed(chatbot, message, switches)


@contextmanager
def _settings(config: Path | None) -> Iterator[Settings]:
    """The settings; what can go wrong becomes a sentence and an exit code."""
    try:
        with settings_of(config, "A replay needs the data folder for itself.") as settings:
            yield settings
    except (*WRONG_SETUP, WrongSwitch) as error:
        raise stop(str(error), WRONG_USE) from None
    except (EngineError, ReplayRefused, RetrievalError, UnknownMessage, OSError) as error:
        raise stop(str(error), REFUSED) from None
