"""Examples from files: style examples, questions with answers as JSONL or CSV, conversations."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from adapters.dataset.entries import Entry, Finding, Read, Told
from adapters.examples import ExampleError, StyleExample, lines_of
from adapters.pool import other_pool
from adapters.prompt import CITATION
from adapters.recipe import RankingRecipe, Recipe, SearchRecipe, elsewhere_of
from configs.faults import in_one_line
from configs.settings import Settings
from ingest.durable import replace_text
from ingest.embed import Embedder

BETWEEN_PASSAGES = "||"
BETWEEN_TAGS = ";"


class Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Asked(Line):
    """A question and its answer, which cites `passages` by number: [1] is the first."""

    question: str
    answer: str
    passages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    id: str | None = None
    document: str | None = None
    section: str | None = None


class Message(Line):
    role: Literal["system", "user", "assistant"]
    content: str


class Conversation(Line):
    messages: tuple[Message, ...]
    tags: tuple[str, ...] = ()
    id: str | None = None


def read_style(paths: Iterable[Path]) -> Read:
    """The examples of a recipe. Every wrong line is told; only a file that cannot be read is an ExampleError."""
    as_example = TypeAdapter(StyleExample)
    entries, findings = [], []
    for path in paths:
        for number, line in enumerate(lines_of(path), start=1):
            place = f"{shown(path)}:{number}"
            try:
                entries.append(Entry(place, as_example.validate_json(line, strict=True)))
            except ValidationError as error:
                findings.append(Finding("shape", place, f"not a style example: {in_one_line(error)}"))
    return Read(tuple(entries), tuple(findings))


def read_elsewhere(
    recipe: Recipe | SearchRecipe | RankingRecipe, embedder: Embedder, settings: Settings
) -> Told | None:
    """The same about the other pages that it trains on, too, if it names any. Raises ExampleError."""
    other, pages = elsewhere_of(recipe), other_pool(recipe, embedder, settings)
    return Told(read_style(other.examples), pages) if other and pages else None


def read_plain(path: Path) -> Read:
    """A file in any of the forms; documents are still to be found. Raises ExampleError where it cannot be read."""
    forms = {".csv": csv_lines, ".jsonl": json_lines}
    if path.suffix.lower() not in forms:
        raise ExampleError(f"{path} cannot be checked: a .csv or a .jsonl file was expected, or a recipe (.yaml).")
    entries: list[Entry] = []
    findings: list[Finding] = []
    for number, values in forms[path.suffix.lower()](path):
        place = f"{shown(path)}:{number}"
        try:
            entry, left_out = entry_of(values, place, f"{path.stem}-{number}")
        except ValidationError as error:
            findings.append(Finding("shape", place, f"no question with its answer: {in_one_line(error)}"))
        except ValueError as error:
            findings.append(Finding("shape", place, str(error)))
        else:
            entries.append(entry)
            findings += left_out
    return Read(tuple(entries), tuple(findings))


def json_lines(path: Path) -> Iterator[tuple[int, object]]:
    """Line numbers with values; a line that is no JSON comes as its text, which is no example."""
    for number, line in enumerate(lines_of(path), start=1):
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError):
            yield number, line


def csv_lines(path: Path) -> Iterator[tuple[int, object]]:
    """The numbers of the lines where records begin, with their cells; raises ExampleError."""
    text = "\n".join(lines_of(path))
    reader = csv.DictReader(io.StringIO(text), restkey="(more cells)", strict=True)
    begins = 1
    try:
        if missing := {"question", "answer"} - set(reader.fieldnames or ()):
            raise ExampleError(
                f"{path} has no column {', '.join(sorted(missing))}. Its first line must name the columns: "
                "question, answer, and where there are such: passages, tags, id, document, section."
            )
        begins = reader.line_num + 1
        for cells in reader:
            yield begins, from_cells(cells)
            begins = reader.line_num + 1
    except csv.Error as error:
        raise ExampleError(f"{path}, line {begins}: not CSV: {error}") from error


def from_cells(cells: dict[str, Any]) -> dict[str, Any]:
    """Empty cells are as if they were not there, but for question and answer; lists are cut at their marks."""
    values = {key: cell for key, cell in cells.items() if cell or key in ("question", "answer")}
    for key, between in (("passages", BETWEEN_PASSAGES), ("tags", BETWEEN_TAGS)):
        if key in values:
            values[key] = [part.strip() for part in values[key].split(between) if part.strip()]
    return values


def entry_of(values: object, place: str, name: str) -> tuple[Entry, list[Finding]]:
    """Raises ValueError, of which pydantic's is one, for what is no example."""
    if not isinstance(values, dict):
        raise ValueError("not a JSON object: one with question and answer, or with messages, was expected")
    if "messages" in values:
        return from_conversation(Conversation.model_validate(values), place, name)
    return from_asked(Asked.model_validate(values), place, name), []


def from_asked(asked: Asked, place: str, name: str) -> Entry:
    example = StyleExample(
        asked.id or name, asked.document, asked.section, asked.question, CITATION.sub(" [cite]", asked.answer)
    )
    return Entry(place, example, right_ones(asked.answer, asked.passages), asked.tags)


def right_ones(answer: str, passages: Sequence[str]) -> tuple[str, ...]:
    """The passages that the answer cites; all of them where it cites none."""
    numbers = sorted({int(number) for number in CITATION.findall(answer)}) if passages else []
    if beyond := [number for number in numbers if not 1 <= number <= len(passages)]:
        raise ValueError(f"the answer cites [{beyond[0]}], and there are {len(passages)} passages")
    return tuple(passages[number - 1] for number in numbers) or tuple(passages)


def from_conversation(conversation: Conversation, place: str, name: str) -> tuple[Entry, list[Finding]]:
    """The first question and its answer; later ones need what was said before, which an example cannot hold."""
    said = conversation.messages
    turns = said[1:] if said and said[0].role == "system" else said
    roles = [message.role for message in turns]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise ValueError(
            f"user and assistant must take turns, the assistant last; got {', '.join(roles) or 'none'}"
        )
    asked = Asked(question=turns[0].content, answer=turns[1].content, tags=conversation.tags, id=conversation.id)
    findings = []
    if len(turns) < len(said):
        message = "the system message is left out: the product's prompt takes its place"
        findings.append(Finding("left-out", place, message))
    if len(turns) > 2:
        message = f"{len(turns) // 2 - 1} later questions are left out: they need what was said before"
        findings.append(Finding("left-out", place, message))
    return from_asked(asked, place, name), findings


def read_questions(path: Path) -> list[tuple[str, str]]:
    """Place and text of each question of an evaluation. Raises ExampleError."""
    questions = []
    for number, values in json_lines(path):
        if not isinstance(values, dict) or not isinstance(values.get("question"), str):
            raise ExampleError(f"{path}, line {number}: not a question: an object with `question` was expected.")
        questions.append((f"{shown(path)}:{number}", values["question"]))
    return questions


def write_style(entries: Iterable[Entry], path: Path, force: bool) -> None:
    """The entries as style examples, a line each: the file that a recipe names. Raises ExampleError."""
    check_target(path, force)
    lines = [json.dumps(asdict(entry.example), ensure_ascii=False) + "\n" for entry in entries]
    try:
        replace_text(path, "".join(lines))
    except OSError as error:
        raise ExampleError(f"The examples cannot be written to {path}: {error.strerror}.") from error


def check_target(path: Path, force: bool) -> None:
    """Raises ExampleError where writing would replace a file unasked, or where there is no folder to write to."""
    if path.is_dir() or not path.parent.is_dir():
        raise ExampleError(f"{path} cannot be written: a file was expected, in a folder that is there.")
    if path.exists() and not force:
        raise ExampleError(f"{path} is there already. Name another file, or replace it with --force.")


def shown(path: Path) -> str:
    """Below the working directory as one would type it, else whole."""
    whole = path.resolve()
    return str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole)
