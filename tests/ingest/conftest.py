"""Real small things that the ingest tests share: corpora and libraries."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from ingest.corpus import Corpus, open_corpus
from ingest.embed import Embedder
from ingest.library import Library, open_library
from ingest.split import Splitter

DATA = Path(__file__).parents[2] / "../shared/data"

OpenCorpus = Callable[..., AbstractContextManager[Corpus]]


@pytest.fixture(scope="session")
def va_pages() -> Path:
    folder = (DATA / "va_pages").resolve()
    if not folder.is_dir():
        pytest.skip("the VA pages are not here")
    return folder


@pytest.fixture
def open_in(tmp_path: Path, embedder: Embedder) -> OpenCorpus:
    """Opens a corpus in the test's folder; keyword arguments replace the usual ones."""

    def opened(
        max_tokens: int = 200, name: str = "documents", sentences: bool = False
    ) -> AbstractContextManager[Corpus]:
        return open_corpus(
            name=name,
            folder=tmp_path,
            library_url=None,
            chroma_server=None,
            embedder=embedder,
            splitter=Splitter(embedder.count_tokens, max_tokens, sentences=sentences),
        )

    return opened


@pytest.fixture
def sqlite_library(tmp_path: Path) -> Iterator[Library]:
    with closing(open_library(None, tmp_path)) as library:
        yield library


@pytest.fixture(params=["sqlite", "postgresql"])
def library_url(request: pytest.FixtureRequest) -> str | None:
    """The same tests on both databases."""
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else None


@pytest.fixture
def library(library_url: str | None, tmp_path: Path) -> Iterator[Library]:
    with closing(open_library(library_url, tmp_path)) as library:
        yield library
