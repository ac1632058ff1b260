"""What library and index say of their content: collections, documents, failures, jobs, checks."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

JobState = Literal["running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Collection:
    """One indexed state of the documents under one embedder and splitter, whose fingerprint it carries.

    Of the collections with one name, one serves.
    """

    id: str
    name: str
    fingerprint: str
    serving: bool


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """A document in a list. `updated` is when it was last put, in UTC (ISO 8601)."""

    id: str
    source: str
    title: str
    labels: tuple[str, ...]
    chunks: int
    content_hash: str
    updated: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that did not become a document, why, and when that was last tried."""

    source: str
    reason: str
    when: str


@dataclass(frozen=True, slots=True)
class CollectionStats:
    """Counts of one collection. `waiting` are changes that the vector index has not seen yet."""

    id: str
    name: str
    serving: bool
    documents: int
    chunks: int
    waiting: int
    failures: int


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work and how far it is; `report` is there when it is done or failed."""

    id: str
    kind: str
    state: JobState
    done: int
    total: int
    report: dict[str, Any] | None
    started: str
    finished: str | None


@dataclass(frozen=True, slots=True)
class ScrubReport:
    """Chunk ids that the index lacks, has too many, and has but does not find by their own vector."""

    collection_id: str
    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    unfindable: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        return not (self.missing or self.surplus or self.unfindable)


def now() -> str:
    """The time as the library keeps it: UTC, ISO 8601, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
