"""Everything that ingest and retrieval work with, opened together and closed together."""

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ingest.embed import Embedder
from ingest.library import Library, open_library
from ingest.parse import Parser
from ingest.records import Collection
from ingest.split import Splitter
from ingest.vectors import VectorIndex


@dataclass(frozen=True)
class Corpus:
    """The documents under one collection name, and the tools that read, cut and embed them."""

    name: str
    library: Library
    index: VectorIndex
    embedder: Embedder
    splitter: Splitter
    parser: Parser

    @property
    def fingerprint(self) -> str:
        """Embedder and splitter: a change of either makes a new collection."""
        return f"{self.embedder.fingerprint}-{self.splitter.fingerprint}"

    @property
    def serving(self) -> Collection | None:
        """The collection that answers questions; None before the first sync."""
        return self.library.serving_collection(self.name)

    def understands(self, collection: Collection) -> bool:
        """Whether this embedder made the collection's vectors; with another one, a search finds nonsense."""
        return collection.fingerprint.startswith(f"{self.embedder.fingerprint}-")

    def named(self, name: str) -> Self:
        """The same tools for another collection name."""
        return replace(self, name=name)


@contextmanager
def open_corpus(
    *,
    name: str,
    folder: Path,
    library_url: str | None,
    chroma_server: tuple[str, int] | None,
    embedder: Embedder,
    splitter: Splitter,
    prepare_index: bool = True,
) -> Iterator[Corpus]:
    """Opens library, index and parser; the folder is closed to others. The caller holds its OwnerLock.

    Without `library_url` and `chroma_server`, both live in the folder. `prepare_index` false leaves the
    index closed until a sync has changes for it.
    """
    close_to_others(folder)
    with ExitStack() as stack:
        library = stack.enter_context(closing(open_library(library_url, folder)))
        if library_url is None:
            library.jobs.fail_interrupted()
        index = stack.enter_context(closing(_index(library, folder, chroma_server)))
        parser = stack.enter_context(closing(Parser()))
        if prepare_index:
            index.prepare()
        index.apply_outbox()
        yield Corpus(name, library, index, embedder, splitter, parser)


def close_to_others(folder: Path) -> None:
    """What people asked lies there. Whichever command made the folder, only its user and group look into it."""
    found = folder.stat()
    if found.st_uid == os.geteuid() and found.st_mode & stat.S_IRWXO:
        folder.chmod(stat.S_IMODE(found.st_mode) & ~stat.S_IRWXO)


def _index(library: Library, folder: Path, server: tuple[str, int] | None) -> VectorIndex:
    if server is None:
        return VectorIndex.open_embedded(folder / "index", library)
    return VectorIndex.open_server(*server, library)
