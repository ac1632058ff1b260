"""The Chroma index: ids and vectors only, derived from the library, checked against it, rebuilt from it."""

import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import httpx

from ingest.child import import_path
from ingest.chroma_collection import BATCH, nearest, unfindable, upsert
from ingest.documents import Hit, Vectors
from ingest.library import Library
from ingest.outbox import Change
from ingest.records import ScrubReport
from ingest.retry import Retry

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection as ChromaCollection

logger = logging.getLogger(__name__)

_CHANGES = 500
_PROBE_SECONDS = 600
# Well above Chroma's defaults: on two cores a search still takes milliseconds, and it misses nearly nothing.
_HNSW: Any = {"space": "cosine", "ef_construction": 200, "ef_search": 200, "max_neighbors": 32}
_SERVER_SECONDS = 30.0
_AGAIN_SECONDS = 30.0


class VectorIndex:
    """Safe to use from several threads of one process; only one process may open an embedded folder.

    Until `prepare` has run, and after an error of the index, searches are answered exactly from the
    library's vectors and `degraded` is true. After an error, a search in every `again_seconds` starts a
    `prepare` in the background. A collection is searched through the index once every vector was found in it.
    """

    def __init__(
        self, library: Library, place: "EmbeddedFolder | ChromaServer", again_seconds: float = _AGAIN_SECONDS
    ) -> None:
        self.place = place
        self._library = library
        self._client: Client | None = None
        self._usable: dict[str, ChromaCollection] = {}
        self._unchecked: set[str] = set()
        self._writing = threading.RLock()
        self._retry = Retry(self.prepare, again_seconds)
        self.degraded = True

    @classmethod
    def open_embedded(cls, folder: Path, library: Library) -> Self:
        return cls(library, EmbeddedFolder(folder))

    @classmethod
    def open_server(cls, host: str, port: int, library: Library) -> Self:
        return cls(library, ChromaServer(host, port))

    def prepare(self) -> None:
        """Makes the index equal to the library; rebuilds what is torn or lost. Searches are exact meanwhile."""
        with self._writing, self.degrading():
            self.degraded = True
            self._retry.begun()
            self._client = self._client or self.place.connect()
            self._apply_all()
            # A server that lost its files has no more of them than the changes just applied.
            self._usable.clear()
            known = {collection.id for collection in self._library.collections()}
            for name in _names(self._client) - known:
                self._client.delete_collection(name)
            for name in known:
                self._make_whole(name)
            self._unchecked.clear()
            # A search may have failed meanwhile, and emptied what was found usable.
            self.degraded = self._retry.has_failed

    def apply_outbox(self) -> None:
        """Follows the changes that the library has committed; without any it does not even open the index."""
        with self._writing:
            if not self._library.outbox.pending(1):
                return
            if self.degraded:
                self.prepare()
                return
            with self.degrading():
                self._apply_all()

    def check(self) -> None:
        """Rebuilds where changes since the last time cost a vector: Chroma's graph promises no way to each."""
        with self._writing:
            if self._unchecked and not self.degraded:
                with self.degrading():
                    for name in self._unchecked & {collection.id for collection in self._library.collections()}:
                        self._make_whole(name)
                    self._unchecked.clear()

    def search(self, collection_id: str, vector: Vectors, limit: int) -> list[Hit]:
        """The nearest chunks, best first; the score is the cosine."""
        collection = None if self.degraded else self._usable.get(collection_id)
        if collection is not None:
            with self.degrading():
                return nearest(collection, vector, limit)
        self._retry.missed()
        return self._library.exact_search(collection_id, vector, limit)

    def rebuild(self, collection_id: str) -> None:
        """Makes the collection anew from the library; searches in it are exact while this lasts."""
        with self._writing:
            self._usable.pop(collection_id, None)
            client = self._connected()
            if collection_id in _names(client):
                client.delete_collection(collection_id)
            collection = self._collection(collection_id)
            for ids, vectors in self._library.vectors.batches(collection_id):
                if self._retry.closing:
                    return
                upsert(collection, ids, vectors)

    def scrub(self, collection_id: str) -> ScrubReport:
        """Compares the ids with the library's, and looks every vector up."""
        collection = self._collection(collection_id)
        indexed, stored = set(collection.get(include=[])["ids"]), self._library.vectors.ids(collection_id)
        batches = self._library.vectors.batches(collection_id)
        lost = {id for ids, vectors in batches for id in unfindable(collection, ids, vectors)}
        # Another service may have removed some meanwhile.
        lost &= indexed & self._library.vectors.ids(collection_id)
        differing = (stored - indexed, indexed - stored, lost)
        return ScrubReport(collection_id, *(tuple(sorted(ids)) for ids in differing))

    def close(self) -> None:
        self._retry.close()
        with self._writing:
            if self._client is not None:
                self.place.release(self._client)
            self._client = None
            self._usable.clear()
            self.degraded = True

    def _make_whole(self, collection_id: str) -> None:
        """Rebuilds what is not; where that does not help, searches there stay exact."""
        with self._leaving_out(collection_id):
            if not self.scrub(collection_id).clean:
                logger.warning("the vector index of %s is incomplete: rebuilding it", collection_id)
                self.rebuild(collection_id)
                if self._retry.closing or not self.scrub(collection_id).clean:
                    logger.warning("it stays incomplete: searching the library instead")
                    return
            self._usable[collection_id] = self._collection(collection_id)

    def _apply_all(self) -> None:
        for collection_id in self._library.outbox.collections():
            with self._leaving_out(collection_id):
                while changes := self._library.outbox.pending(_CHANGES, collection_id):
                    self._apply(collection_id, changes)
                    self._library.outbox.confirm(changes)

    def _apply(self, collection_id: str, changes: Sequence[Change]) -> None:
        """Safe to repeat: what the library holds now is put in, what it no longer holds is taken out."""
        collection = self._collection(collection_id)
        ids, vectors = self._library.vectors.of_documents({change.document_id for change in changes})
        removed = sorted({id for change in changes for id in change.removed}.difference(ids))
        for start in range(0, len(removed), BATCH):
            collection.delete(ids=removed[start : start + BATCH])
        upsert(collection, ids, vectors)
        self._unchecked.add(collection_id)

    def _collection(self, collection_id: str) -> "ChromaCollection":
        known = self._usable.get(collection_id)
        return known or self._connected().get_or_create_collection(
            collection_id,
            embedding_function=None,
            configuration={"hnsw": _HNSW},
        )

    def _connected(self) -> "Client":
        self._client = self._client or self.place.connect()
        return self._client

    @contextmanager
    def _leaving_out(self, collection_id: str) -> Iterator[None]:
        """What the index refuses of one collection is searched exactly, and waits; the others go on."""
        # Slow to import; by the time of an error it is loaded.
        from chromadb.errors import InvalidArgumentError

        try:
            yield
        except InvalidArgumentError as error:
            self._usable.pop(collection_id, None)
            logger.warning("the vector index refuses %r: searching the library instead (%s)", collection_id, error)

    @contextmanager
    def degrading(self) -> Iterator[None]:
        """An error of the index costs speed, never an answer or an ingest: the library has everything."""
        from chromadb.errors import ChromaError  # As above.

        try:
            yield
        except Exception as error:
            self._retry.failed()
            self.degraded = True
            # Another service may have made a collection anew; `prepare` then asks for all of them again.
            self._usable.clear()
            logger.warning("the vector index failed (%s): searching the library instead", type(error).__name__)
            if not isinstance(error, ChromaError | httpx.HTTPError):
                raise


class EmbeddedFolder:
    """Chroma in this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __str__(self) -> str:
        return f"The vector index in {self._folder}"

    def connect(self) -> "Client":
        if self._folder.exists() and not _opens(self._folder):
            logger.warning("the vector index is torn: it is thrown away and rebuilt from the library")
            shutil.rmtree(self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        return _open_folder(self._folder)

    def release(self, client: "Client") -> None:
        client.close()


class ChromaServer:
    """A Chroma server that several services share; it looks after its own files."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    def __str__(self) -> str:
        return f"The Chroma server at {self._host}:{self._port}"

    def connect(self) -> "Client":
        # Slow to import, and needed by few commands.
        from chromadb import HttpClient
        from chromadb.config import Settings

        # Chroma's own client hides a refused connection behind a ValueError.
        httpx.get(f"http://{self._host}:{self._port}/api/v2/heartbeat").raise_for_status()
        settings = Settings(anonymized_telemetry=False)
        client = cast("Client", HttpClient(host=self._host, port=self._port, settings=settings))
        for session in _sessions(client):
            session.timeout = httpx.Timeout(_SERVER_SECONDS)
        return client

    def release(self, client: "Client") -> None:
        for session in _sessions(client):
            session.close()
        client.close()


def _sessions(client: Any) -> list[httpx.Client]:
    """The connections below a server's client, which Chroma neither closes nor gives a time limit."""
    return [client._server._session, client._admin_client._server._session]


def probe(folder: Path) -> None:
    """Opens every collection and searches in it; a torn one ends this process with a segmentation fault."""
    with _open_folder(folder) as client:
        for collection in client.list_collections():
            sample = collection.get(limit=1, include=["embeddings"])["embeddings"]
            if sample is not None and len(sample):
                collection.query(query_embeddings=sample, n_results=10, include=["distances"])


def _open_folder(folder: Path) -> "Client":
    # Slow to import, and needed by few commands.
    from chromadb import PersistentClient
    from chromadb.config import Settings

    return cast("Client", PersistentClient(path=str(folder), settings=Settings(anonymized_telemetry=False)))


def _opens(folder: Path) -> bool:
    command = [sys.executable, "-P", "-m", "ingest.vectors", str(folder)]
    finished = subprocess.run(
        command, env={"PYTHONPATH": import_path()}, capture_output=True, timeout=_PROBE_SECONDS
    )
    return finished.returncode == 0


def _names(client: "Client") -> set[str]:
    return {collection.name for collection in client.list_collections()}


if __name__ == "__main__":
    probe(Path(sys.argv[1]))
