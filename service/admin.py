"""What an administrator can do while the service runs: documents, jobs, adapters."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Event, Thread
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from adapters.card import read_card
from adapters.engines.protocol import AdapterRefused
from adapters.registry import AdapterVersion, Registry
from ingest.corpus import Corpus
from ingest.documents import Chunk
from ingest.local import LocalIngest, remove_document
from ingest.records import CollectionStats, DocumentSummary, Failure, Job
from ingest.report import SyncReport
from ingest.sources import Upload
from ingest.sync import left_alone, sync
from service.loading import AdapterLoader

logger = logging.getLogger(__name__)

# For the adapters' log; the admin key does not say who holds it.
BY = "admin API"
RENEW_SECONDS = 60


class Stopping(RuntimeError):
    """The service stops; what a job has committed stays, the rest is done by the next one."""


class Admin:
    """Safe to use from several threads. A collection that is not named is the configured one."""

    def __init__(self, corpus: Corpus, registry: Registry, loader: AdapterLoader) -> None:
        self._corpus = corpus
        self._registry = registry
        self._loader = loader
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="ingest")
        self._stopping = Event()
        self._renewing = Thread(target=self._renew_jobs, name="jobs", daemon=True)
        self._renewing.start()
        self._promoting = asyncio.Lock()

    def close(self) -> None:
        """Ends the running job after its current file."""
        self._stopping.set()
        self._worker.shutdown()
        self._renewing.join()

    # Documents

    def documents(self, collection: str | None = None) -> list[DocumentSummary]:
        return LocalIngest(self._named(collection)).documents()

    def failures(self, collection: str | None = None) -> list[Failure]:
        return LocalIngest(self._named(collection)).failures()

    def document(self, collection: str | None, source: str) -> tuple[DocumentSummary, list[Chunk]] | None:
        return LocalIngest(self._named(collection)).document(source)

    def hashes(self, collection: str | None = None) -> dict[str, str]:
        """Source -> content hash of what the next sync would leave alone."""
        return left_alone(self._named(collection))

    def remove(self, collection: str | None, source: str) -> bool:
        """Whether there was such a document; it is not found from the next question on."""
        corpus = self._named(collection)
        found = remove_document(corpus, source)
        # A job that is under way may have read it already: once more, after it.
        self._worker.submit(remove_document, corpus, source).add_done_callback(_told)
        return found

    def stats(self) -> list[CollectionStats]:
        return self._corpus.library.stats()

    # Jobs

    def start_sync(
        self,
        collection: str | None,
        uploads: Sequence[Upload],
        present: Collection[str] | None,
        prune: bool,
        labels: frozenset[str] | None,
    ) -> str:
        """Queues the files for ingest, one job after the other; the job's id."""
        job = self._corpus.library.jobs.start("sync", total=len(uploads))
        work = partial(self._sync, job.id, self._named(collection), uploads, present, prune, labels)
        self._worker.submit(work).add_done_callback(partial(self._ended, job.id))
        return job.id

    def job(self, job_id: str) -> Job | None:
        return self._corpus.library.jobs.get(job_id)

    def jobs(self) -> list[Job]:
        return self._corpus.library.jobs.recent()

    def _renew_jobs(self) -> None:
        """Also while they wait for their turn, or one file takes long."""
        while not self._stopping.wait(RENEW_SECONDS):
            try:
                self._corpus.library.jobs.renew()
            except SQLAlchemyError as error:
                logger.warning("the jobs are not renewed now: %s", type(error).__name__)

    def _sync(
        self,
        job_id: str,
        corpus: Corpus,
        uploads: Sequence[Upload],
        present: Collection[str] | None,
        prune: bool,
        labels: frozenset[str] | None,
    ) -> None:
        if self._stopping.is_set():
            raise Stopping("The service stopped before the job began. Start it again.")
        for event in sync(corpus, uploads, present=present, prune=prune, labels=labels):
            if isinstance(event, SyncReport):
                corpus.library.jobs.finish(job_id, event.to_json())
            elif self._stopping.is_set():
                raise Stopping("The service stopped before the job was done. Start it again.")
            else:
                corpus.library.jobs.progress(job_id, event.done, event.total)

    def _ended(self, job_id: str, work: Future[None]) -> None:
        """Whatever ended the work, its row tells."""
        if error := work.exception():
            logger.error("job %s failed: %s", job_id, type(error).__name__, exc_info=error)
            self._corpus.library.jobs.fail(job_id, f"{type(error).__name__}: {error}")

    # Adapters

    def adapters(self) -> list[dict[str, Any]]:
        """Every version, whether it is promoted and loaded, and what its card says."""
        promoted = set(self._registry.promoted().values())
        return [
            {
                "label": version.label,
                "promoted": version.label in promoted,
                "loaded": version.label in self._loader.loaded,
                **_card(version),
            }
            for version in self._registry.all()
        ]

    async def promote(self, label: str, despite: str | None = None) -> None:
        """The bare name means this version, once it is loaded. Raises UnknownAdapter, AdapterRefused."""
        async with self._promoting:
            version = await asyncio.to_thread(self._registry.resolve, label)
            await self._ready(version)
            await asyncio.to_thread(self._registry.promote, version.label, self._loader.engine.base, BY, despite)

    async def rollback(self, name: str) -> None:
        """Back to the version promoted before, once it is loaded. Raises UnknownAdapter, AdapterRefused."""
        async with self._promoting:
            version = await asyncio.to_thread(self._registry.earlier, name)
            await self._ready(version)
            await asyncio.to_thread(self._registry.rollback, name, self._loader.engine.base, BY)

    async def _ready(self, version: AdapterVersion) -> None:
        """Loaded, with the weights that its card tells now: it may have been loaded before another took its place.

        The gate, which comes next, compares card and weights. Raises AdapterRefused.
        """
        loaded = await self._loader.ready(version.label)
        card = await asyncio.to_thread(read_card, version.folder)
        if loaded and loaded.sha256 != card.weights_sha256:
            raise AdapterRefused(
                f"{version.label} is loaded with the weights {loaded.sha256[:12]}, but {version.folder} has "
                f"{card.weights_sha256[:12]} by now: a version has to be one thing. Give that folder a number of "
                "its own and promote it under that, or restart the service, which loads what is there."
            )

    def _named(self, collection: str | None) -> Corpus:
        return self._corpus.named(collection) if collection else self._corpus


def _told(work: Future[bool]) -> None:
    if error := work.exception():
        logger.error("a document may be back: it could not be removed once more: %s", type(error).__name__)


def _card(version: AdapterVersion) -> dict[str, Any]:
    """The card's facts for a list; one that cannot be read says so."""
    if problem := version.problem:
        return {"problem": problem}
    card = version.card
    facts = card.model_dump(mode="json", include={"created", "prompt", "weights_sha256", "scores", "minutes"})
    return {**facts, "base_sha256": card.base.sha256}
