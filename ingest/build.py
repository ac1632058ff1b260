"""The door of ingest: settings become an embedder and an open collection; nothing behind this knows settings."""

from contextlib import AbstractContextManager, closing
from pathlib import Path

from configs.settings import Settings
from ingest.corpus import Corpus, open_corpus
from ingest.database import library_url
from ingest.documents import PUBLIC
from ingest.embed import Embedder
from ingest.library import open_library
from ingest.models import locate
from ingest.split import Splitter


def embedder_of(settings: Settings, adapted: bool = True) -> Embedder:
    """Not loaded yet; without its adapter where `adapted` is False. Raises ModelError."""
    values = settings.embedder
    return Embedder(
        locate(values.model, values.sha256),
        values.batch_size,
        adapter=values.adapter if adapted else None,
        kept=settings.data.folder / "cache" if values.questions == "openvino" else None,
    )


def opened_corpus(
    settings: Settings, embedder: Embedder, name: str | None = None, prepare_index: bool = True
) -> AbstractContextManager[Corpus]:
    """The collection `name`, or the one that retrieval uses. Raises LibraryError, ServiceError."""
    values = settings.splitter
    length = min(values.max_tokens, embedder.max_tokens)
    return open_corpus(
        name=name or settings.layers.retrieval.collection,
        folder=settings.data.folder,
        library_url=settings.library.url,
        chroma_server=(settings.index.host, settings.index.port) if settings.index.kind == "server" else None,
        embedder=embedder,
        splitter=Splitter(embedder.count_tokens, length, values.overlap_tokens, values.sentences == "on"),
        prepare_index=prepare_index,
    )


def closed_documents(settings: Settings) -> frozenset[str]:
    """Names and content hashes of the documents that the library keeps from some readers; none where it was never
    made. A service may own the folder meanwhile. Raises LibraryError, SQLAlchemyError.
    """
    url, folder = settings.library.url, settings.data.folder
    if url is None and not Path(library_url(url, folder).database or "").is_file():
        return frozenset()
    with closing(open_library(url, folder)) as library:
        serving = [one.id for one in library.collections() if one.serving]
        closed = [doc for one in serving for doc in library.documents(one) if PUBLIC not in doc.labels]
    return frozenset(name for document in closed for name in (document.source, document.content_hash))
