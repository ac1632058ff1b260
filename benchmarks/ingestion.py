"""What a sync costs beside plain embedding, and what a changed folder costs; one printed table."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from shared_data import skip_without_data, va_pages

from configs.load import load_settings
from ingest.build import embedder_of, opened_corpus
from ingest.corpus import Corpus
from ingest.owner import OwnerLock
from ingest.report import SyncReport
from ingest.sources import Discovery, discover
from ingest.sync import sync

OLD, NEW = "2018-11", "2019-02"


def main(rounds: int) -> None:
    for sentences in ("off", "on"):
        first_sync(rounds, sentences)
    revision()


def first_sync(rounds: int, sentences: str) -> None:
    """Beside a plain encode of the chunks, without their sentences."""
    pages = discover([va_pages(NEW)])
    print_row(f"first sync, sentences {sentences}", "documents/s", "plain encode", "ratio")
    ratios = []
    for number in range(1, rounds + 1):
        with empty_corpus(sentences) as corpus:
            synced = finished(corpus, pages).seconds
            texts = embedded_texts(corpus)
            plain = seconds_to_encode(corpus, texts)
            again = finished(corpus, pages)
        ratios.append(plain / synced)
        rates = (f"{len(pages.files) / seconds:.2f}" for seconds in (synced, plain))
        print_row(f"round {number}, {len(texts)} chunks", *rates, f"{ratios[-1]:.2f}")
    print_row("median", "", "", f"{median(ratios):.2f}")
    print_row("unchanged pages / s to see it", str(again.unchanged), f"{again.seconds:.2f}")


def revision() -> None:
    """One version of the site after the other, compared with a plain comparison of the files."""
    with empty_corpus() as corpus:
        finished(corpus, discover([va_pages(OLD)]))
        report = finished(corpus, discover([va_pages(NEW)]))
        texts = len(set(embedded_texts(corpus, sentences=True)))
    old, new = contents(OLD), contents(NEW)
    both = old.keys() & new.keys()
    expected = {
        "added": sorted(new.keys() - old.keys()),
        "changed": sorted(name for name in both if old[name] != new[name]),
        "removed": sorted(old.keys() - new.keys()),
    }
    print_row(f"\n{OLD}, then {NEW}", "sync", "plain diff", "same files")
    for kind, names in expected.items():
        told = sorted(getattr(report, kind))
        print_row(kind, str(len(told)), str(len(names)), "yes" if told == names else "NO")
    same = len(both) - len(expected["changed"])
    print_row("unchanged", str(report.unchanged), str(same), "yes" if report.unchanged == same else "NO")
    print_row("texts embedded / of", str(report.embedded), str(texts), f"{report.seconds:.1f} s")


@contextmanager
def empty_corpus(sentences: str = "on") -> Iterator[Corpus]:
    """With the embedder loaded: its seconds belong to the start of the service, not to the documents."""
    with TemporaryDirectory() as folder:
        values = {"TRIPTYCH__DATA__FOLDER": folder, "TRIPTYCH__SPLITTER__SENTENCES": f"'{sentences}'"}
        settings = load_settings(None, values).settings
        with OwnerLock(settings.data.folder), opened_corpus(settings, embedder_of(settings)) as corpus:
            corpus.embedder.embed(["A first text warms the network up."])
            yield corpus


def finished(corpus: Corpus, pages: Discovery) -> SyncReport:
    *_, report = sync(corpus, pages.files, present=pages.present, prune=True)
    assert isinstance(report, SyncReport)
    print(f"synced {len(pages.files)} pages in {report.seconds:.1f} s", file=sys.stderr)
    return report


def seconds_to_encode(corpus: Corpus, texts: list[str]) -> float:
    model = corpus.embedder.load()
    started = time.monotonic()
    model.encode(texts, batch_size=32, show_progress_bar=False)
    return time.monotonic() - started


def embedded_texts(corpus: Corpus, sentences: bool = False) -> list[str]:
    collection = corpus.serving
    assert collection is not None
    library = corpus.library
    stored = [library.document(collection.id, source) for source in library.document_hashes(collection.id)]
    chunks = [chunk for one in stored if one for chunk in one[1]]
    return [text for chunk in chunks for text in (chunk.embedded_texts if sentences else [chunk.embedded_text])]


def contents(version: str) -> dict[str, bytes]:
    folder: Path = va_pages(version)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.md")}


def print_row(name: str, *cells: str) -> None:
    print(" | ".join((f"{name:32}", *(f"{cell:>12}" for cell in cells))), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    skip_without_data()
    main(parser.parse_args().rounds)
