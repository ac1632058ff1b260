"""Real pages through the ingest command, their questions through the API with all layers; all answers as JSON."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import httpx
from running_service import ROOT, environment, service
from shared_data import SHARED, medquad, skip_without_data, va, va_pages

from service.evaluation.metrics.text import answer_recall, k_precision

TRIPTYCH = [sys.executable, "-c", "from service.commands import main; main()"]
FOLDERS = {"va": va_pages("2019-02"), "medquad": SHARED / "medquad" / "docs"}


@dataclass(frozen=True)
class Asked:
    """`found`: a page that answers it was among the sources; `cited`: the answer cites it; `recall`: of the page's
    own answer, where there is one.
    """

    collection: str
    question: str
    wanted: tuple[str, ...]
    sources: tuple[str, ...]
    answer: str
    path: str
    found: bool
    cited: bool
    k_precision: float | None
    recall: float | None


def main(arguments: argparse.Namespace) -> None:
    skip_without_data()
    with TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        for name, documents in FOLDERS.items():
            ingest(folder, name, documents)
        os.environ["TRIPTYCH__LAYERS__RETRIEVAL__COLLECTION"] = "va"
        with service(folder) as (url, _, _), httpx.Client(base_url=url, timeout=600) as http:
            asked = [ask(http, *one) for one in questions(arguments.questions)]
    for name in FOLDERS:
        print_row(name, [one for one in asked if one.collection == name])
    if arguments.out:
        arguments.out.write_text(json.dumps([asdict(one) for one in asked], indent=1, ensure_ascii=False))


def ingest(folder: Path, collection: str, documents: Path) -> None:
    command = [*TRIPTYCH, "ingest", "sync", str(documents), "--collection", collection]
    subprocess.run(command, cwd=ROOT, env=os.environ | environment(folder), check=True)


def questions(count: int) -> list[tuple[str, str, frozenset[str], str | None]]:
    """As many of each collection, evenly out of all, with the pages that answer them and their answer."""
    chosen = []
    for name, task in (("va", va("2019-02")), ("medquad", medquad(questions=10_000))):
        answers: Sequence[str | None] = task.answers or [None] * len(task.questions)
        rows = list(zip(task.questions, task.relevant, answers, strict=True))
        chosen += [(name, *row) for row in rows[:: len(rows) // count][:count]]
    return chosen


def ask(http: httpx.Client, collection: str, question: str, wanted: frozenset[str], right: str | None) -> Asked:
    response = http.post("/chat", json={"question": question, "layers": {"retrieval": collection}})
    response.raise_for_status()
    made = response.json()
    cited = {source["source"] for source in made["sources"] if source["cited"]}
    return Asked(
        collection=collection,
        question=question,
        wanted=tuple(sorted(wanted)),
        sources=tuple(source["source"] for source in made["sources"]),
        answer=made["answer"],
        path=made["manifest"]["path"],
        found=bool(wanted & {source["source"] for source in made["sources"]}),
        cited=bool(wanted & cited),
        k_precision=k_precision(made["answer"], [f"{one['place']} {one['text']}" for one in made["sources"]]),
        recall=answer_recall(made["answer"], right) if right else None,
    )


def print_row(name: str, asked: list[Asked]) -> None:
    by_model = [one for one in asked if one.path == "model"]
    faithful = [one.k_precision for one in by_model if one.k_precision is not None]
    shares = (fmean(one.found for one in asked), fmean(one.cited for one in asked), fmean(faithful or [0.0]))
    cells = [f"{label} {share:.2f}" for label, share in zip(("found", "cited", "K-precision"), shares, strict=True)]
    if recalls := [one.recall for one in asked if one.recall is not None]:
        cells.append(f"recall {fmean(recalls):.2f}")
    print(" | ".join((f"{name:8}", f"{len(asked)} questions", f"{len(by_model)} by the model", *cells)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=25, help="how many of each collection")
    parser.add_argument("--folder", type=Path, help="keep the library there")
    parser.add_argument("--out", type=Path, help="write all answers as JSON")
    main(parser.parse_args())
