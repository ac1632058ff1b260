"""What a sync tells while it runs and at its end."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from pydantic import TypeAdapter

from ingest.records import Failure


@dataclass(frozen=True, slots=True)
class Progress:
    """One more file is dealt with: committed, unchanged or failed."""

    source: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did.

    `skipped` are files of formats that are not supported. `reembedded` documents have the same content as
    before, under a new embedder or splitter. `embedded` chunks were computed; the others had vectors already.
    """

    collection_id: str
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    relabelled: tuple[str, ...] = ()
    unchanged: int = 0
    reembedded: int = 0
    failed: tuple[Failure, ...] = ()
    skipped: tuple[str, ...] = ()
    embedded: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        return TypeAdapter(cls).validate_python(values)

    def __add__(self, other: "SyncReport") -> "SyncReport":
        """Two parts of one sync as one. What the first part did, the second sees as unchanged."""
        return SyncReport(
            other.collection_id,
            self.added + other.added,
            self.changed + other.changed,
            self.removed + other.removed,
            self.relabelled + other.relabelled,
            max(0, other.unchanged - len(self.added) - len(self.changed)),
            self.reembedded + other.reembedded,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.embedded + other.embedded,
            round(self.seconds + other.seconds, 3),
        )
