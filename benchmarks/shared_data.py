"""Public data sets beside the project root, as files to ingest and questions with the sources that answer them."""

import csv
import json
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.sources import SourceFile, Upload, discover

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Task:
    """`relevant` names, for each question, the sources that answer it; `whole` keeps each file in one chunk.

    `answers` are the sources' own words, where they are as short as an answer.
    """

    name: str
    files: Sequence[SourceFile]
    questions: list[str]
    relevant: list[frozenset[str]]
    whole: bool = False
    answers: list[str] | None = None


def skip_without_data() -> None:
    """Ends the program with a reason, but no error, where the data is not there."""
    if not SHARED.is_dir():
        print(f"skipped: the public data sets are not at {SHARED}")
        sys.exit(0)


def va_pages(version: str) -> Path:
    """A folder of Markdown pages; the versions are 2018-11 and 2019-02."""
    return SHARED / "va_pages" / version / "docs"


def va(version: str, headings: bool = True) -> Task:
    """Questions that are headings of the pages that answer them; without `headings` these lose their words."""
    asked = rows(SHARED / "va_pages" / version / "faq.jsonl")
    files: Sequence[SourceFile] = discover([va_pages(version)]).files
    if not headings:
        of_page = defaultdict(set)
        for row in asked:
            of_page[source(row)].add(letters(row["question"]))
        files = [without(file, of_page[file.source]) for file in files]
    asked = [row for row in asked if row["unique_wording"]]
    return Task(
        f"VA {version}" + ("" if headings else ", no question headings"),
        files,
        [row["question"] for row in asked],
        [frozenset({source(row)}) for row in asked],
        answers=[row["answer"] for row in asked],
    )


def source(row: dict[str, Any]) -> str:
    return f"{row['doc_id'].removeprefix('va:')}.md"


def without(file: SourceFile, questions: set[str]) -> Upload:
    """The page with its sections as they are, but no word in a heading that is a question."""
    lines = file.read(10**7).decode().split("\n")
    kept = [
        f"{line.split()[0]} ..." if line.startswith("##") and letters(line) in questions else line for line in lines
    ]
    return Upload(file.source, "\n".join(kept).encode())


def letters(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


def medquad(questions: int) -> Task:
    files = discover([SHARED / "medquad" / "docs"]).files
    by_id = {Path(file.source).stem: file.source for file in files}
    asked = rows(SHARED / "medquad" / "questions_dev.jsonl")[:questions]
    relevant = [frozenset({by_id[row["doc_id"]]}) for row in asked]
    return Task("MedQuAD", files, [row["question"] for row in asked], relevant)


def scifact() -> Task:
    relevant = defaultdict(set)
    with (SHARED / "scifact" / "qrels" / "test.tsv").open(encoding="utf-8") as qrels:
        for row in csv.DictReader(qrels, delimiter="\t"):
            relevant[row["query-id"]].add(f"{row['corpus-id']}.md")
    asked = [row for row in rows(SHARED / "scifact" / "queries.jsonl") if row["_id"] in relevant]
    files = [
        Upload(f"{row['_id']}.md", f"# {row['title']}\n\n{row['text']}".encode())
        for row in rows(SHARED / "scifact" / "corpus.jsonl")
    ]
    gold = [frozenset(relevant[row["_id"]]) for row in asked]
    return Task("SciFact", files, [row["text"] for row in asked], gold, whole=True)


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
