"""What every part of the settings is made of: no unknown keys, and YAML's ways to write a switch."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


def spelled_out(value: Any) -> Any:
    """YAML 1.1 reads a bare `on` as true; both spellings mean the same switch."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


def twice(names: Sequence[str]) -> list[str]:
    """Those that stand there more than once, where each is to stand once."""
    return sorted({name for name in names if names.count(name) > 1})


Switch = Annotated[Literal["on", "off"], BeforeValidator(spelled_out)]


class Section(BaseModel):
    """A part of the settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
