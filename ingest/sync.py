"""The differential ingest: what changed is replaced as a whole, what did not is left alone."""

import time
from collections.abc import Collection as Items
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ingest.corpus import Corpus
from ingest.documents import PUBLIC, Chunk, Document, Vectors, content_hash, document_id
from ingest.parse import ParseError
from ingest.records import Failure, now
from ingest.report import Progress, SyncReport
from ingest.sources import SourceFile

# Chunks embedded together: enough to fill batches with texts of like length, little enough to lose at a kill.
_BATCH_CHUNKS = 256


def sync(
    corpus: Corpus,
    files: Sequence[SourceFile],
    *,
    present: Items[str] | None = None,
    prune: bool = False,
    labels: frozenset[str] | None = None,
    skipped: Sequence[str] = (),
) -> Iterator[Progress | SyncReport]:
    """Brings the files into the corpus; yields Progress after each commit, and at the end a SyncReport.

    `present` names all files that exist where these come from, also those left out of `files` because they
    are known to be unchanged; with `prune`, documents that it does not name are removed. Without `present`
    nothing counts as gone. `labels` are given to every file; without them a file's own metadata decides, then
    the labels that the document has, then "public".

    With a new embedder or splitter a new collection is built beside the serving one, of these files and of
    every other document of the serving one, and serves when it is complete. No files at all is a way to
    ask for just that.
    """
    started = time.monotonic()
    given = {file.source for file in files}
    run = _Sync(corpus, given, present, labels)
    yield from run.ingest(files)
    yield from run.carry_over(prune)
    yield replace(run.settle(prune), skipped=tuple(skipped), seconds=round(time.monotonic() - started, 3))


def left_alone(corpus: Corpus) -> dict[str, str]:
    """Source -> content hash of what the next sync need not read again.

    A collection that is to serve may be of a run that did not end, or have served long ago: where it differs from
    the serving one, what serves was acknowledged last.
    """
    library, serving = corpus.library, corpus.serving
    built = library.document_hashes(f"{corpus.name}-{corpus.fingerprint}")
    served = library.document_hashes(serving.id) if serving else built
    return {source: known for source, known in built.items() if served.get(source, known) == known}


@dataclass
class _Tally:
    """The report while it grows."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    relabelled: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    unchanged: int = 0
    reembedded: int = 0
    embedded: int = 0

    def report(self, collection_id: str) -> SyncReport:
        lists = {name: tuple(value) for name, value in vars(self).items() if isinstance(value, list)}
        return SyncReport(collection_id, **{**vars(self), **lists})


class _Sync:
    """One run: what was stored at its start, what waits to be embedded, and the tally."""

    def __init__(
        self, corpus: Corpus, given: set[str], present: Items[str] | None, labels: frozenset[str] | None
    ) -> None:
        self._corpus = corpus
        self._library = corpus.library
        self._given = given
        self._present = None if present is None else given.union(present)
        self._labels = labels
        self._target = self._library.ensure_collection(corpus.name, corpus.fingerprint)
        self._serving = corpus.serving or self._target
        self._drop_superseded()
        self._stored = left_alone(corpus)
        self._served = self._library.document_hashes(self._serving.id)
        self._known = self._stored | self._served
        self._known_labels = self._take_over_labels()
        self._taken: set[str] = set()
        self._failing = {failure.source for failure in self._library.failures(corpus.name)}
        self._waiting: list[tuple[Document, list[Chunk]]] = []
        self._tally = _Tally()
        self._done = self._total = 0

    def ingest(self, files: Sequence[SourceFile]) -> Iterator[Progress]:
        self._total += len(files)
        for file in files:
            document = self._read(file)
            if document is None:
                yield self._progress(file.source)
            else:
                self._taken.add(file.source)
                yield from self._enqueue(document)
        yield from self._flush()
        self._leave_alone((self._present or self._given) & self._stored.keys() - self._given)

    def carry_over(self, prune: bool) -> Iterator[Progress]:
        """Brings what only the serving collection has into the one that is to replace it."""
        if self._target.id == self._serving.id:
            return
        sources = self._served.keys() - self._stored.keys() - self._taken
        staying = sorted(source for source in sources if not (prune and self._is_gone(source)))
        self._total += len(staying)
        for source in staying:
            document = self._library.parsed_document(self._serving.id, source)
            if document is not None:
                yield from self._enqueue(document)
        yield from self._flush()
        # What was removed meanwhile does not come back.
        for source in set(staying) - self._library.document_hashes(self._serving.id).keys():
            self._library.remove_document(self._target.id, source)

    def settle(self, prune: bool) -> SyncReport:
        """Removes what is gone, switches to the new collection if there is one, and cleans up."""
        if prune:
            self._remove_gone()
        self._library.clear_failures(self._corpus.name, set(filter(self._is_gone, self._failing)))
        if self._target.id != self._serving.id:
            self._library.switch_collection(self._target)
        self._corpus.index.apply_outbox()
        self._corpus.index.check()
        if self._tally.removed or self._tally.changed:
            self._library.compact()
        return self._tally.report(self._target.id)

    def _take_over_labels(self) -> dict[str, frozenset[str]]:
        """By source; a stored document gets those that it has where it serves."""
        built, served = map(self._library.document_labels, (self._target.id, self._serving.id))
        for source in self._stored.keys() & served.keys():
            if built[source] != served[source]:
                self._library.set_labels(self._target.id, source, served[source])
        return built | served

    def _read(self, file: SourceFile) -> Document | None:
        """The document, if it is new or changed."""
        try:
            content = file.read(self._corpus.parser.max_bytes)
            if self._stored.get(file.source) == content_hash(content):
                self._leave_alone({file.source})
                return None
            return self._corpus.parser.parse(file.source, content)
        except OSError as error:
            self._fail(file.source, f"It cannot be read: {error.strerror}.")
        except ParseError as error:
            self._fail(file.source, str(error))
        return None

    def _fail(self, source: str, reason: str) -> None:
        self._library.record_failure(self._corpus.name, source, reason)
        self._tally.failed.append(Failure(source, reason, now()))

    def _leave_alone(self, sources: set[str]) -> None:
        """The content is stored as it is; an old failure is over, and new labels still count."""
        self._tally.unchanged += len(sources)
        self._library.clear_failures(self._corpus.name, self._failing & sources)
        for source in sorted(sources) if self._labels else ():
            if self._known_labels[source] != self._labels:
                self._library.set_labels(self._target.id, source, self._labels or ())
                self._tally.relabelled.append(source)

    def _enqueue(self, document: Document) -> Iterator[Progress]:
        document = replace(document, labels=self._labels_of(document))
        pieces = self._corpus.splitter.split(document, document_id(self._target.id, document.source))
        self._waiting.append((document, pieces))
        if sum(len(pieces) for _, pieces in self._waiting) >= _BATCH_CHUNKS:
            yield from self._flush()

    def _labels_of(self, document: Document) -> frozenset[str]:
        asked = self._labels if document.source in (self._present or self._given) else None
        known = self._known_labels.get(document.source)
        return asked or document.labels or known or frozenset({PUBLIC})

    def _flush(self) -> Iterator[Progress]:
        """Embeds what waits, all together, and commits each document in its own transaction."""
        waiting, self._waiting = self._waiting, []
        vectors = self._embed(waiting)
        for document, pieces in waiting:
            rows = np.stack([vectors[text] for piece in pieces for text in piece.embedded_texts])
            self._library.put_document(self._target.id, document, pieces, rows)
            self._count(document)
            yield self._progress(document.source)
        self._corpus.index.apply_outbox()

    def _embed(self, waiting: list[tuple[Document, list[Chunk]]]) -> dict[str, Vectors]:
        """Text -> vector; only texts that the documents did not have before are computed."""
        texts = {text for _, pieces in waiting for piece in pieces for text in piece.embedded_texts}
        vectors: dict[str, Vectors] = {}
        for document, _ in waiting:
            vectors |= self._known_vectors(document.source)
        new = sorted(texts - vectors.keys())
        self._tally.embedded += len(new)
        # Not even an empty call without need: the first one loads the model.
        return vectors | dict(zip(new, self._corpus.embedder.embed(new), strict=True)) if new else vectors

    def _known_vectors(self, source: str) -> dict[str, Vectors]:
        if source not in self._known:
            return {}
        usable = {one.id for one in (self._serving, self._target) if self._corpus.understands(one)}
        found: dict[str, Vectors] = {}
        for collection_id in usable:
            found |= self._library.vectors.by_text(document_id(collection_id, source))
        return found

    def _count(self, document: Document) -> None:
        if document.source not in self._known:
            self._tally.added.append(document.source)
        elif self._known[document.source] != document.content_hash:
            self._tally.changed.append(document.source)
        else:
            self._tally.reembedded += 1

    def _progress(self, source: str) -> Progress:
        self._done += 1
        return Progress(source, self._done, self._total)

    def _is_gone(self, source: str) -> bool:
        return self._present is not None and source not in self._present

    def _remove_gone(self) -> None:
        """From every collection of the name: what is gone is to leave no trace in a superseded one."""
        for collection in self._library.collections(self._corpus.name):
            gone = filter(self._is_gone, self._library.document_hashes(collection.id))
            self._tally.removed += [
                source for source in gone if self._library.remove_document(collection.id, source)
            ]
        self._tally.removed = sorted(set(self._tally.removed))

    def _drop_superseded(self) -> None:
        for collection in self._library.collections(self._corpus.name):
            if collection.id not in (self._target.id, self._serving.id):
                self._library.drop_collection(collection.id)
