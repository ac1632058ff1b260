"""Ingest by the process that owns the data folder."""

from collections.abc import Iterator

from configs.retrieval import COLLECTION
from ingest.corpus import Corpus
from ingest.documents import Chunk
from ingest.records import CollectionStats, DocumentSummary, Failure
from ingest.report import Progress, SyncReport
from ingest.sources import Discovery
from ingest.sync import sync


def remove_document(corpus: Corpus, source: str) -> bool:
    """Removes the document from every collection of the corpus's name; whether there was one."""
    library = corpus.library
    # The serving one first: a rebuild under way looks there, once it has put a document into its own.
    collections = sorted(library.collections(corpus.name), key=lambda one: not one.serving)
    found = [library.remove_document(collection.id, source) for collection in collections]
    library.clear_failures(corpus.name, [source])
    if not COLLECTION.fullmatch(corpus.name):
        drop_emptied(corpus)
    corpus.index.apply_outbox()
    library.compact()
    return any(found)


def drop_emptied(corpus: Corpus) -> None:
    """The way out for a name that earlier versions took: its changes waited for an index that refuses it."""
    for collection in corpus.library.collections(corpus.name):
        if not corpus.library.document_hashes(collection.id):
            corpus.library.drop_collection(collection.id)


class LocalIngest:
    """The commands' view of an open corpus; `RemoteIngest` is the same for a running service."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def sync(
        self, discovery: Discovery, *, prune: bool, labels: frozenset[str] | None
    ) -> Iterator[Progress | SyncReport]:
        yield from sync(
            self._corpus,
            discovery.files,
            present=discovery.present,
            prune=prune,
            labels=labels,
            skipped=discovery.skipped,
        )
        if self._corpus.embedder.loaded:
            # Made while torch is here anyway, or the service's first start would have to load it.
            self._corpus.embedder.load_questions()

    def documents(self) -> list[DocumentSummary]:
        serving = self._corpus.serving
        return self._corpus.library.documents(serving.id) if serving else []

    def failures(self) -> list[Failure]:
        return self._corpus.library.failures(self._corpus.name)

    def document(self, source: str) -> tuple[DocumentSummary, list[Chunk]] | None:
        serving = self._corpus.serving
        return self._corpus.library.document(serving.id, source) if serving else None

    def remove(self, source: str) -> bool:
        return remove_document(self._corpus, source)

    def stats(self) -> list[CollectionStats]:
        return self._corpus.library.stats()
