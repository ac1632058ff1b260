"""Records of requests: what is known of one, and how past ones were decided."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.decisions.policy import MOST, DecisionName, PolicyError
from ingest.durable import replace_text

Stated = Literal["attached", "missing", "not stated"]
Split = Literal["train", "calibration", "test"]
Age = Literal["0-17", "18-39", "40-64", "65+"]
SHARES: Mapping[Split, int] = {"train": 6, "calibration": 2, "test": 2}
SPLITS = tuple(split for split, share in SHARES.items() for _ in range(share))


@dataclass(frozen=True, slots=True)
class Case:
    """What a decision is made from: words by field, numbers by field where they are known, and a note."""

    fields: Mapping[str, str]
    numbers: Mapping[str, int]
    note: str

    def lines(self) -> list[str]:
        """As people and models read it, a line a field."""
        known = dict(self.fields) | {name: str(number) for name, number in self.numbers.items()}
        return [*(f"{name}: {value}" for name, value in known.items()), f"note: {self.note}"]


@dataclass(frozen=True, slots=True)
class PastCase:
    """A case with its reason code, and the decision that belongs to it."""

    id: str
    case: Case
    decision: DecisionName
    code: str

    @property
    def split(self) -> Split:
        return split_of(self.id)

    def line(self) -> str:
        """All that is known of it, its id first: two with the same line are the same record."""
        return json.dumps([self.id, self.case.lines(), self.code])


class Request(BaseModel):
    """A request's fields. `measured` is the service's documented number, such as weeks of therapy."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    service: str = Field(min_length=1, max_length=80)
    urgency: Literal["routine", "urgent"]
    age: Age
    referral: Stated
    visit_notes: Stated
    measured: int | None = Field(None, ge=0, le=MOST)
    months_since_same: int | None = Field(None, ge=0, le=MOST)
    note: str = Field(max_length=2000)

    def case(self) -> Case:
        words = self.model_dump(include={"service", "urgency", "age", "referral", "visit_notes"})
        numbers = self.model_dump(include={"measured", "months_since_same"}, exclude_none=True)
        return Case(words, numbers, self.note)


def request_of(case: Case) -> Request:
    """The request that a case was made from."""
    return Request.model_validate({**case.fields, **case.numbers, "note": case.note})


class Record(Request):
    """A request as it was decided."""

    id: str = Field(pattern=r"^[A-Za-z0-9-]{1,40}$")
    decision: DecisionName
    reason_code: str

    def past(self) -> PastCase:
        return PastCase(self.id, self.case(), self.decision, self.reason_code)


def split_of(identity: str) -> Split:
    """By the hash of the id: six in ten are for training, two for calibration, two for the test."""
    return SPLITS[hashlib.sha256(identity.encode()).digest()[0] % len(SPLITS)]


def read_records(path: Path) -> list[PastCase]:
    """JSONL, a Record a line. Raises PolicyError at the first line that is none."""
    found = []
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"The records {path} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        try:
            found.append(Record.model_validate_json(line).past())
        except ValidationError as error:
            raise PolicyError(f"{path}, line {number}: not a record: {error}") from error
    return found


def write_records(records: Iterable[Record], path: Path) -> None:
    """As a whole or not at all. Raises PolicyError where the file cannot be written."""
    lines = [record.model_dump_json(exclude_none=True) + "\n" for record in records]
    try:
        replace_text(path, "".join(lines))
    except OSError as error:
        raise PolicyError(f"The records cannot be written to {path}: {error}") from error


def of_split(past: Iterable[PastCase], split: Split) -> list[PastCase]:
    """In the order of their ids, whatever the file's: a head keeps the training records' vectors in this order."""
    return sorted((one for one in past if one.split == split), key=PastCase.line)
