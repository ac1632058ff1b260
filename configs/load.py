"""Settings from YAML and the environment; the only reader of the environment."""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from configs.kinds import may_be_shown, takes_null, takes_text
from configs.settings import Settings
from configs.yaml_text import parse_yaml

PREFIX = "TRIPTYCH__"
DEFAULTS = Path(__file__).with_name("default.yaml")
HOSPITAL = Path(__file__).with_name("hospital") / "settings.yaml"
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false",
    "DO_NOT_TRACK": "1",
}
PACK_PATHS = (
    ("documents",),
    ("embedder", "adapter"),
    ("ranker", "adapter"),
    ("layers", "prompt", "folder"),
    ("layers", "adapter", "folder"),
    ("guard", "emergencies"),
    ("guard", "examples"),
    ("decisions", "folder"),
    ("embedder", "model"),
    ("ranker", "model"),
    ("engine", "base", "model"),
    ("engine", "openai", "shared", "folder"),
)

Key = tuple[str, ...]


class ConfigurationError(ValueError):
    """All that is wrong with the settings, a line each with its place."""


@dataclass(frozen=True)
class Loaded:
    """The settings, and for each key where its value came from."""

    settings: Settings
    origins: Mapping[Key, str]


def current_environment() -> Mapping[str, str]:
    return os.environ


def stay_offline() -> None:
    """No library phones home or looks on a model hub, unless the caller's own environment says so.

    To be called before OpenVINO is imported: it has no such variable, and for every event its telemetry forks this
    process, where a matrix product of another thread may then never end (OpenBLAS stops its threads before a fork).
    Without that module it sends nothing.
    """
    for name, value in OFFLINE.items():
        os.environ.setdefault(name, value)
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Merge default.yaml, the file at `path` (TRIPTYCH_CONFIG or the hospital pack if None) and the environment.

    Raises ConfigurationError that tells every error at once.
    """
    chosen = path or Path(environ.get("TRIPTYCH_CONFIG") or HOSPITAL)
    values: dict[Key, Any] = {}
    origins: dict[Key, str] = {}
    for origin, layer in (
        (str(DEFAULTS), flat(read_yaml(DEFAULTS))),
        (str(chosen), flat(read_yaml(chosen))),
        ("environment", environment_values(environ)),
    ):
        forget_replaced(values, origins, layer)
        values |= layer
        origins |= dict.fromkeys(layer, origin)
    return Loaded(validated(nested(values), origins), origins)


def read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigurationError(f"{path}: there is no such settings file")
    try:
        content = parse_yaml(path.read_text(encoding="utf-8")) or {}
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: expected keys and values, got {type(content).__name__}")
    return resolved(content, path.resolve().parent)


def resolved(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make the pack's relative paths absolute: they start at the folder of the file that names them."""
    for key in PACK_PATHS:
        section: Any = content
        for name in key[:-1]:
            section = section.get(name) if isinstance(section, dict) else None
        if isinstance(section, dict) and key[-1] in section:
            make = model_on_disk if key[-1] == "model" else absolute
            section[key[-1]] = make(section[key[-1]], folder)
    return content


def absolute(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [absolute(item, folder) for item in value]
    return str(folder / value) if isinstance(value, str) else value


def model_on_disk(value: Any, folder: Path) -> Any:
    """A model's URI; of all kinds only file:PATH has a path, and one that begins with ~ is not relative."""
    scheme, _, path = str(value).partition(":")
    return value if scheme != "file" or path[:1] in ("", "~") else f"file:{folder / path}"


def flat(content: Mapping[str, Any], above: Key = ()) -> dict[Key, Any]:
    """Nested sections as one mapping from key path to value; an empty section is a value."""
    found: dict[Key, Any] = {}
    for name, value in content.items():
        key = (*above, str(name))
        found |= flat(value, key) if isinstance(value, dict) and value else {key: value}
    return found


def nested(values: Mapping[Key, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in values.items():
        section = content
        for name in key[:-1]:
            section = section.setdefault(name, {})
        section[key[-1]] = value
    return content


def forget_replaced(values: dict[Key, Any], origins: dict[Key, str], layer: Mapping[Key, Any]) -> None:
    """A value replaces a whole section of the same name, and a section replaces a value."""
    for key in list(values):
        if any(shorter_first(key, new) for new in layer):
            del values[key], origins[key]


def shorter_first(old: Key, new: Key) -> bool:
    shared = min(len(old), len(new))
    return len(old) != len(new) and old[:shared] == new[:shared]


def environment_values(environ: Mapping[str, str]) -> dict[Key, Any]:
    """TRIPTYCH__SECTION__KEY=VALUE: a text as it is, another value read as YAML; an empty variable is none."""
    found: dict[Key, Any] = {}
    for name, value in environ.items():
        if name.startswith(PREFIX) and value:
            key = tuple(name.removeprefix(PREFIX).lower().split("__"))
            found[key] = value_of(name, key, value)
    return found


def value_of(name: str, key: Key, text: str) -> Any:
    if takes_text(key):
        return None if text == "null" and takes_null(key) else text
    try:
        return parse_yaml(text)
    except yaml.YAMLError:
        # Neither the value nor what the parser says of it: under a misspelt name it may be a password.
        raise ConfigurationError(f"{name} (environment): not valid YAML; put the value in quotes") from None


def validated(content: dict[str, Any], origins: Mapping[Key, str]) -> Settings:
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        lines = "\n".join(described(error, origins))
        raise ConfigurationError(f"The settings have {error.error_count()} error(s):\n{lines}") from error


def described(error: ValidationError, origins: Mapping[Key, str]) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        key = tuple(str(part) for part in problem["loc"])
        place = f"{'.'.join(key) or 'settings'} ({origin_of(key, origins)})"
        yield f"  {place}: {problem['msg']}{got(problem, key)}"


def origin_of(key: Key, origins: Mapping[Key, str]) -> str:
    """Where the setting came from, or what stands in it, as in a misspelt section, or around it."""
    for length in range(len(key), 0, -1):
        if found := dict.fromkeys(origin for one, origin in origins.items() if one[:length] == key[:length]):
            return ", ".join(found)
    return "settings"


def got(problem: ErrorDetails, key: Key) -> str:
    """The wrong value, but no secret: none stands in a plain value of a key that is known and not secret."""
    value = problem["input"]
    if problem["type"] in ("missing", "extra_forbidden") or isinstance(value, dict | list):
        return ""
    return f", got {value!r}" if may_be_shown(key) else f", got {type(value).__name__} (not shown)"
