"""A real corpus of five small documents, with the real embedder, shared by the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from ingest.corpus import Corpus, open_corpus
from ingest.database import library_url
from ingest.embed import Embedder
from ingest.report import SyncReport
from ingest.sources import Upload
from ingest.split import Splitter
from ingest.sync import sync

PUBLIC_DOCUMENTS = {
    "visiting.md": """# Visiting hours

## General wards
You can visit the general wards from 10 a.m. to 8 p.m. every day. Two visitors at a time may sit with a patient.

## Sundays and holidays
On Sundays and holidays the general wards close to visitors at 6 p.m.

## Children
Children under 12 may visit the wards with an adult. Call 555-0100 before you bring a baby.
""",
    "icu.md": """# Visiting intensive care

## Hours
You can visit the intensive care unit from 2 p.m. to 4 p.m. and from 6 p.m. to 7 p.m. Only one visitor at a time.

## Flowers
Flowers are not allowed in intensive care, because water in vases carries germs.
""",
    "parking.md": """# Parking

## North Garage
Parking in the North Garage costs $2 an hour, and at most $12 a day. Pay at the machines by the elevators.

## Disabled parking
Spaces for disabled visitors are on level 1 of the North Garage, next to the bridge, and are free.
""",
    "records.md": """# Medical records

## Asking for a copy
Ask for a copy of your medical records at the records office, or call 555-0150. The first copy is free.
""",
}
STAFF_DOCUMENT = """# Staff parking

## Badge garage
Staff park in the Badge Garage behind the Cedar Building. The gate code this month is willow-4711.
"""


def data_folder(place: Path, derived: Path) -> Path:
    """A service's own in `place`, new and empty but for what is derived from its models."""
    folder = place / "data"
    folder.mkdir(parents=True)
    (folder / "cache").symlink_to(derived)
    return folder


def ingest(corpus: Corpus, documents: dict[str, str], *labels: str) -> SyncReport:
    files = [Upload(name, text.encode()) for name, text in documents.items()]
    *_, report = sync(corpus, files, labels=frozenset(labels) or None)
    assert isinstance(report, SyncReport)
    assert not report.failed
    return report


def opened(folder: Path, embedder: Embedder, name: str = "hospital", sentences: bool = False) -> Iterator[Corpus]:
    splitter = Splitter(embedder.count_tokens, embedder.max_tokens, 0, sentences)
    with open_corpus(
        name=name, folder=folder, library_url=None, chroma_server=None, embedder=embedder, splitter=splitter
    ) as corpus:
        yield corpus


@pytest.fixture
def empty_corpus(tmp_path: Path, embedder: Embedder) -> Iterator[Corpus]:
    yield from opened(tmp_path, embedder)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Corpus]:
    """Read only: tests that change documents take `empty_corpus`."""
    for corpus in opened(tmp_path_factory.mktemp("corpus"), embedder):
        ingest(corpus, PUBLIC_DOCUMENTS)
        ingest(corpus, {"staff-parking.md": STAFF_DOCUMENT}, "staff")
        yield corpus


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """A new database of each kind."""
    given = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    return library_url(given, tmp_path)
