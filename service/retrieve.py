"""Hybrid search: questions to passages that the reader may see."""

import asyncio
from collections.abc import Collection as Items
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any, Protocol, runtime_checkable

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import InstanceOf

from adapters.prompt import Turn
from ingest.corpus import Corpus
from ingest.documents import PUBLIC, Hit, Passage, Vectors
from ingest.records import Collection
from service.fusion import best_of, by_page, chosen, coverage, fuse, search_queries, with_pages
from service.second_look import SecondLook


class RetrievalError(RuntimeError):
    """Retrieval was asked for and cannot be done; no answer is made without it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A passage's collection, where the name of the search does not tell it; and of an interleaved one the arm that
    drafted it, None where it is nobody's merit.
    """

    collection: str | None = None
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Passages, best first, for the query as it was searched; `degraded` if the index could not help.

    `settings` are the values that chose the passages: those of `layers.retrieval`, by name, and the ranker's.
    `origins` has one for each passage where two searches were interleaved, or one is named otherwise than its
    collection.
    """

    passages: tuple[Passage, ...]
    query: str
    degraded: bool = False
    fingerprint: str | None = None
    settings: Mapping[str, float | str] = field(default_factory=dict)
    origins: tuple[Origin, ...] = ()


@runtime_checkable
class Way(Protocol):
    """One way to search, that a name in the retrieval layer means."""

    @property
    def searched(self) -> str:
        """The name of the collection that it searches, or its own where it searches none."""

    @property
    def passages(self) -> int:
        """So many are shown at most."""

    def settings(self) -> dict[str, float | str]:
        """All that decides which passages are shown, by the names of a manifest."""

    def check(self) -> None:
        """Raises RetrievalError if there is nothing to search in, as far as can be known."""

    async def search(
        self, question: str, history: Sequence[Turn], *, labels: frozenset[str], limit: int | None = None
    ) -> Found:
        """At most `limit` passages that one of the labels allows to read. Raises RetrievalError."""


class HybridRetriever(BaseRetriever):
    """Dense and keyword search, fused. As a LangChain retriever it gives Documents with their metadata.

    `ways` are the settings' other searches, by name.
    """

    corpus: InstanceOf[Corpus]
    passages: int
    candidates: int
    dense_weight: float
    page_weight: float = 0
    min_score: float
    min_cosine: float = 0
    min_share: float = 0
    second_look: SecondLook | None = None
    labels: frozenset[str] = frozenset({PUBLIC})
    ways: Mapping[str, Way] = {}

    def way(self, name: str | None) -> Way:
        """What a name in the retrieval layer means: one of the other searches, or this one in that collection."""
        if name is None:
            return self
        return self.ways.get(name) or self.model_copy(update={"corpus": self.corpus.named(name)})

    @property
    def searched(self) -> str:
        return self.corpus.name

    def check(self) -> None:
        check_filled(self.corpus)

    async def search(
        self, question: str, history: Sequence[Turn], *, labels: frozenset[str], limit: int | None = None
    ) -> Found:
        """`find` in a thread."""
        return await asyncio.to_thread(self.find, question, history, labels=labels, limit=limit)

    def find(
        self,
        question: str,
        history: Sequence[Turn] = (),
        *,
        labels: frozenset[str] | None = None,
        limit: int | None = None,
    ) -> Found:
        """At most `limit` passages with one of the labels; blocks. Raises RetrievalError without any documents."""
        limit, corpus = limit or self.passages, self.corpus
        serving = searchable(corpus)
        search = Search(corpus, serving.id, self.labels if labels is None else labels, self.candidates)
        queries = search_queries(question, history)
        vectors, keyword = corpus.embedder.embed_queries(queries), search.keyword(queries)
        wanted = max(limit, look.passages) if (look := self.second_look) else limit
        dense, found = search.candidates(vectors, keyword, wanted)
        if not found:
            check_filled(corpus)
        scores = best_of(map(self.scores, queries, search.cosines(vectors, found), keyword, repeat(found)))
        least = max(self.min_score, self.min_share * max(scores.values(), default=0))
        best = chosen(found, scores, wanted, least) if nearest(dense, found) >= self.min_cosine else ()
        return Found(
            looked_at(self.second_look, question, history, best)[:limit],
            queries[-1],
            corpus.index.degraded,
            serving.fingerprint,
            self.settings() | {"passages": limit},
        )

    def settings(self) -> dict[str, float | str]:
        """All that decides which passages are shown, by the names in `layers.retrieval`; and the ranker's."""
        return {
            "passages": self.passages,
            "candidates": self.candidates,
            "dense_weight": self.dense_weight,
            "page_weight": self.page_weight,
            "min_score": self.min_score,
            "min_cosine": self.min_cosine,
            "min_share": self.min_share,
        } | (self.second_look.settings() if self.second_look else {})

    def scores(
        self, query: str, dense: Sequence[Hit], keyword: Sequence[Hit], found: Mapping[str, Passage]
    ) -> dict[str, float]:
        """The fused scores of what is alive and allowed."""
        worded = [hit for hit in keyword if hit.chunk_id in found]
        strength = coverage(query, found[worded[0].chunk_id]) if worded else 0.0
        scores = fuse(dense, worded, strength, self.dense_weight)
        sources = {key: passage.document_id for key, passage in found.items()}
        pages = fuse(by_page(dense, sources), by_page(worded, sources), strength, self.dense_weight)
        return with_pages(scores, pages, sources, self.page_weight)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return [as_document(passage) for passage in self.find(query).passages]


@dataclass(frozen=True, slots=True)
class Search:
    """The steps of one search, each for all of its queries."""

    corpus: Corpus
    collection_id: str
    labels: frozenset[str]
    limit: int

    def candidates(
        self, vectors: Vectors, keyword: Sequence[Sequence[Hit]], needed: int
    ) -> tuple[list[list[Hit]], dict[str, Passage]]:
        """What is nearest to each vector, and the passages of both searches."""
        dense = [self.corpus.index.search(self.collection_id, vector, self.limit) for vector in vectors]
        found = self.passages([*dense, *keyword])
        for number, hits in enumerate(dense):
            if sum(hit.chunk_id in found for hit in hits) < min(needed, len(hits)):
                # The index knows no labels: what this reader may not see must not push out what they may.
                dense[number] = self.corpus.library.exact_search(
                    self.collection_id, vectors[number], self.limit, self.labels
                )
                found |= self.passages([dense[number]])
        return dense, found

    def keyword(self, queries: Sequence[str]) -> list[list[Hit]]:
        library = self.corpus.library
        return [library.keyword_search(self.collection_id, query, self.limit, self.labels) for query in queries]

    def passages(self, hits: Sequence[Sequence[Hit]]) -> dict[str, Passage]:
        """Those of the hits' chunks that are alive and that the labels allow to read."""
        ids = {hit.chunk_id for some in hits for hit in some}
        return self.corpus.library.passages(self.collection_id, ids, self.labels)

    def cosines(self, vectors: Vectors, found: Items[str]) -> list[list[Hit]]:
        """For each query: how near is what was found, by whichever search; the chunk or its nearest sentence."""
        stored = self.corpus.library.vectors.of_chunks(found)
        return [[Hit(id, float((rows @ vector).max())) for id, rows in stored.items()] for vector in vectors]


def looked_at(
    look: SecondLook | None, question: str, history: Sequence[Turn], best: tuple[Passage, ...]
) -> tuple[Passage, ...]:
    """In the order of the second look, if there is one."""
    if look is None:
        return best
    try:
        return look.ordered(question, history, best)
    except RuntimeError as error:
        raise RetrievalError(f"The ranker cannot read the passages: {error}") from error


def nearest(dense: Sequence[Sequence[Hit]], readable: Container[str]) -> float:
    """The highest cosine of what may be read; 0 without any."""
    return max((hit.score for hits in dense for hit in hits if hit.chunk_id in readable), default=0.0)


def searchable(corpus: Corpus) -> Collection:
    """The serving collection. Raises RetrievalError if it is missing or made by another embedder."""
    serving = corpus.serving
    if serving is None:
        raise nothing_in(corpus)
    if not corpus.understands(serving):
        raise RetrievalError(
            f"The collection {corpus.name!r} was embedded by another model than the configured one. "
            "Run `triptych ingest sync` to embed it anew, or configure the embedder that it was made with."
        )
    return serving


def check_filled(corpus: Corpus) -> None:
    """Raises RetrievalError if there is no document to search in; it looks at all of them."""
    if not corpus.library.document_hashes(searchable(corpus).id):
        raise nothing_in(corpus)


def nothing_in(corpus: Corpus) -> RetrievalError:
    return RetrievalError(
        f"The collection {corpus.name!r} has no documents. Run `triptych ingest sync`, or switch retrieval off."
    )


async def find(
    retriever: HybridRetriever,
    question: str,
    history: Sequence[Turn],
    *,
    labels: frozenset[str],
    named: str | None = None,
    limit: int | None = None,
) -> Found:
    """What the search finds that `named` in the retrieval layer means. Raises RetrievalError."""
    way = retriever.way(named)
    found = await way.search(question, history, labels=labels, limit=limit)
    if named in (None, way.searched):
        return found
    return replace(found, origins=tuple(Origin(way.searched) for _ in found.passages))


def as_document(passage: Passage) -> Document:
    metadata = {
        "document_id": passage.document_id,
        "source": passage.source,
        "title": passage.title,
        "headings": list(passage.headings),
        "position": passage.position,
        "score": passage.score,
    }
    return Document(id=passage.chunk_id, page_content=passage.text, metadata=metadata)
