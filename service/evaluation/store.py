"""A run on the disk: what it was made from, its questions, and one line for each answer."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ingest.durable import append_entry, read_entries, replace_text
from ingest.records import now
from service.evaluation.design import Cell, Design
from service.evaluation.judge.judgements import Judgement, JudgementsError, read_judgements
from service.evaluation.questions import PackQuestion, read_questions
from service.evaluation.score import Status
from service.evaluation.setup import Setup

META, QUESTIONS, ANSWERS = "meta.json", "questions.jsonl", "answers.jsonl"


class RunError(LookupError):
    """There is no such run, or it cannot be read; the message lists those that there are."""


class Answer(BaseModel):
    """One answer with all that is known of it. `failed` says why there is none; then `manifest` is None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Cell
    question: str
    status: Status
    failed: str | None
    text: str
    cited: tuple[str, ...]
    scores: dict[str, float | None]
    missing: dict[str, str]
    manifest: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Run:
    """What is there of a run; `questions` are all that it is to ask, answered or not.

    `setup` is as it was when the run began; it is empty in a run of an earlier version.
    `judgements` are there only where someone asked a judge.
    """

    id: str
    folder: Path
    created: str
    design: Design
    made_from: Mapping[str, Any]
    setup: Setup
    questions: tuple[PackQuestion, ...]
    answers: tuple[Answer, ...]
    judgements: tuple[Judgement, ...] = ()

    @property
    def done(self) -> set[tuple[Cell, str]]:
        """What is not to be asked again. A failed answer is: engine.context_tokens, which mends it, is in no id."""
        return {(answer.cell, answer.question) for answer in self.answers if answer.status != "failed"}


def run_id(made_from: Mapping[str, Any]) -> str:
    """Equal for everything that gives the same answers and the same judgement of them."""
    canonical = json.dumps(made_from, sort_keys=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def as_lines(entries: Iterable[BaseModel]) -> str:
    return "".join(f"{entry.model_dump_json()}\n" for entry in entries)


def opened_run(
    root: Path,
    design: Design,
    questions: Sequence[PackQuestion],
    made_from: Mapping[str, Any],
    setup: Setup = Setup(),
) -> Run:
    """The run that this makes, new or gone on with. What its id leaves out, the cost, is as the design has it.

    Raises RunError.
    """
    folder = root / run_id(made_from)
    if (folder / META).is_file():
        kept = read_run(folder)
        write_meta(folder, kept.created, design, made_from, kept.setup)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(folder / QUESTIONS, as_lines(questions))
        # The last of the two files: where it is, both are whole.
        write_meta(folder, now(), design, made_from, setup)
    return read_run(folder)


def write_meta(folder: Path, created: str, design: Design, made_from: Mapping[str, Any], setup: Setup) -> None:
    meta = {
        "run": folder.name,
        "created": created,
        "design": design.model_dump(mode="json"),
        "made_from": made_from,
        "setup": setup.model_dump(mode="json"),
    }
    replace_text(folder / META, json.dumps(meta, indent=1) + "\n")


def read_run(folder: Path) -> Run:
    """Raises RunError."""
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        return Run(
            id=meta["run"],
            folder=folder,
            created=meta["created"],
            design=Design.model_validate(meta["design"]),
            made_from=meta["made_from"],
            setup=Setup.model_validate(meta.get("setup", {})),
            questions=tuple(read_questions(folder / QUESTIONS, kept=True)),
            answers=latest(Answer.model_validate(entry) for entry in read_entries(folder / ANSWERS)),
            judgements=read_judgements(folder),
        )
    except JudgementsError as error:
        raise RunError(str(error)) from error
    except (OSError, KeyError, TypeError, ValidationError, ValueError) as error:
        raise RunError(f"The run in {folder} cannot be read: {error}. Delete it to begin anew.") from error


def latest(answers: Iterable[Answer]) -> tuple[Answer, ...]:
    """One for each combination and question: where one was asked again after it failed, only what came of that."""
    return tuple({(answer.cell, answer.question): answer for answer in answers}.values())


def keep(run: Run, answer: Answer) -> None:
    append_entry(run.folder / ANSWERS, answer.model_dump(mode="json"))


def find_run(root: Path, name: str) -> Run:
    """A run by its folder, its id, or the beginning of the id. Raises RunError."""
    if (Path(name) / META).is_file():
        return read_run(Path(name))
    known = sorted(path.parent.name for path in root.glob(f"*/{META}"))
    found = [one for one in known if name and one.startswith(name)]
    if len(found) != 1:
        what = "There is no run" if not found else "More than one run begins with"
        listed = ", ".join(known) or "none; `triptych evaluate run` makes one"
        raise RunError(f"{what} {name!r} in {root}; there are: {listed}.")
    return read_run(root / found[0])
