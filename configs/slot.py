"""Whom an experiment may take, and when: two on one layer need slots apart."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, NamedTuple

from pydantic import Field

from configs.section import Share

AttributeName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")]
AttributeValue = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,80}$")]
MOST_ATTRIBUTES = 16
NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})


class Namespace(NamedTuple):
    """Users whose hash in the namespace `name` falls into start <= hash < end (0 to 1)."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
    start: Share
    end: Share


@dataclass(frozen=True, slots=True)
class Slot:
    """Without a namespace everybody; without dates always. `starts` is its first moment, `ends` the first after.

    `only` names attributes of a request, each with the values that are taken: all of them must match.
    """

    namespace: Namespace | None = None
    starts: datetime | None = None
    ends: datetime | None = None
    only: Mapping[str, Collection[str]] = field(default_factory=dict)

    def takes(self, attributes: Mapping[str, str]) -> bool:
        return all(attributes.get(name) in values for name, values in self.only.items())

    def open_at(self, now: datetime) -> bool:
        return (self.starts is None or self.starts <= now) and (self.ends is None or now < self.ends)

    def apart_from(self, other: "Slot") -> bool:
        """Whether no user can be in both at once. Attributes keep nobody apart: each request may send others."""
        return self._before(other) or other._before(self) or self._shares_out(other)

    def _before(self, other: "Slot") -> bool:
        return bool(self.ends and other.starts and self.ends <= other.starts)

    def _shares_out(self, other: "Slot") -> bool:
        one, two = self.namespace, other.namespace
        return bool(one and two and one.name == two.name and (one.end <= two.start or two.end <= one.start))

    def __str__(self) -> str:
        dates = (("from", self.starts), ("until", self.ends))
        return " ".join(f"{word} {at.isoformat(timespec='minutes')}" for word, at in dates if at) or "always"
