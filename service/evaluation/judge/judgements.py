"""A run's judgements on the disk: one line for each reply of a judge, good or not."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ingest.durable import append_entry, read_entries
from service.evaluation.design import Cell
from service.evaluation.judge.aspects import Aspect, Order

JUDGEMENTS = "judgements.jsonl"
Key = tuple[Cell, str, Order, str]


class JudgementsError(ValueError):
    """The judgements cannot be read; the message says what to do."""


class Judgement(BaseModel):
    """A judge's word on one answer; each aspect has a step's label in `verdicts`, or a reason in `missing`.

    `model` was asked for, `answered_as` is what the endpoint called itself. `reply` is what came, in its own words.
    Tokens are None where the endpoint does not count them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Cell
    question: str
    answer_sha256: str
    order: Order
    model: str
    answered_as: str | None
    endpoint: str
    prompt: str
    prompt_sha256: str
    verdicts: Mapping[Aspect, str]
    missing: Mapping[Aspect, str]
    failed: str | None
    reply: str
    prompt_tokens: int | None
    completion_tokens: int | None
    at: str

    @property
    def key(self) -> Key:
        return self.cell, self.question, self.order, self.answer_sha256

    @property
    def judge(self) -> tuple[str, str]:
        return self.model, self.prompt_sha256


def answer_sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def keep_judgement(folder: Path, judgement: Judgement) -> None:
    append_entry(folder / JUDGEMENTS, judgement.model_dump(mode="json"))


def read_judgements(folder: Path) -> tuple[Judgement, ...]:
    """Empty where nobody judged. Raises JudgementsError."""
    file = folder / JUDGEMENTS
    try:
        return tuple(Judgement.model_validate(entry) for entry in read_entries(file))
    except (ValidationError, ValueError) as error:
        raise JudgementsError(f"{file} cannot be read: {error}. Delete that file to judge anew.") from error
