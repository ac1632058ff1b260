"""What kind of value a setting takes, by its key: plain text, a secret, or what YAML makes of it."""

from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from configs.settings import Settings


def takes_text(key: tuple[str, ...]) -> bool:
    return any(kind in (str, SecretStr, Path) for kind in kinds_at(key))


def takes_null(key: tuple[str, ...]) -> bool:
    return NoneType in kinds_at(key)


def may_be_shown(key: tuple[str, ...]) -> bool:
    """Whether a wrong value may stand in a message: no secret, nor what stands in place of a section with one."""
    return not any(kind is SecretStr or is_section(kind) for kind in kinds_at(key))


def kinds_at(key: tuple[str, ...]) -> list[Any]:
    """The types that the setting may have; none where there is no such setting."""
    found: list[Any] = [Settings]
    for name in key:
        found = [inner for kind in found for inner in _inside(kind, name)]
    return found


def is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _inside(kind: Any, name: str) -> Iterator[Any]:
    if is_section(kind) and name in kind.model_fields:
        yield from _choices(kind.model_fields[name].annotation)
    elif get_origin(kind) is dict:
        yield from _choices(get_args(kind)[1])


def _choices(kind: Any) -> Iterator[Any]:
    """The members of a union, each without its bounds."""
    if get_origin(kind) is Annotated:
        yield from _choices(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for choice in get_args(kind):
            yield from _choices(choice)
    else:
        yield kind
