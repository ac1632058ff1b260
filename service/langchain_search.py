"""A search of one's own: any LangChain retriever that the settings name, with access labels and the ranker."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ValidationError

from adapters.prompt import Turn
from configs.faults import in_one_line
from configs.load import ConfigurationError
from configs.retrieval import LangChainRetriever
from ingest.documents import PUBLIC, Passage
from service.fusion import search_queries
from service.retrieve import Found, RetrievalError, looked_at
from service.second_look import SecondLook


@dataclass(frozen=True, slots=True)
class LangChainSearch:
    """`searched` is its name in the settings, `made_by` what gave the retriever; the fingerprint changes with that
    and its options, and knows nothing of its documents. `unlabelled` are the labels of a Document that has none.
    """

    searched: str
    retriever: BaseRetriever
    made_by: str
    fingerprint: str
    passages: int
    unlabelled: frozenset[str]
    second_look: SecondLook | None = None

    def check(self) -> None:
        """Nobody but the retriever knows its documents."""

    def settings(self) -> dict[str, float | str]:
        """All that we know to decide which passages are shown."""
        made = f"{self.made_by}@{self.fingerprint}"
        own: dict[str, float | str] = {"retriever": made, "passages": self.passages}
        return own | (self.second_look.settings() if self.second_look else {})

    async def search(
        self, question: str, history: Sequence[Turn], *, labels: frozenset[str], limit: int | None = None
    ) -> Found:
        """At most `limit` passages with one of the labels. Raises RetrievalError where the retriever fails."""
        limit, query = limit or self.passages, search_queries(question, history)[-1]
        readable = [one for one in await self.documents(query) if labels & self.labels(one)]
        passages = tuple(passage_of(one, number) for number, one in enumerate(readable))
        best = await asyncio.to_thread(looked_at, self.second_look, question, history, passages)
        told = self.settings() | {"passages": limit}
        return Found(best[:limit], query, fingerprint=self.fingerprint, settings=told)

    async def documents(self, query: str) -> list[Document]:
        """The retriever's own. Its errors are those of whatever library it calls, which share no class."""
        try:
            return await self.retriever.ainvoke(query)
        except Exception as error:
            # Only the kind: the message may hold the question, or a key.
            raise RetrievalError(f"The search {self.searched!r} failed with {type(error).__name__}.") from error

    def labels(self, document: Document) -> frozenset[str]:
        """Who may read it. Raises RetrievalError where that is told in a way that could be taken wrongly."""
        labels = document.metadata.get("labels")
        if labels is None:
            return self.unlabelled
        if isinstance(labels, list | tuple | set | frozenset) and all(isinstance(one, str) for one in labels):
            return frozenset(labels)
        raise RetrievalError(
            f"The search {self.searched!r} gave a document whose labels are no list of texts, but a "
            f"{type(labels).__name__}: no answer is made of it. Mend its metadata."
        )


def langchain_search(
    name: str, values: LangChainRetriever, passages: int, look: SecondLook | None
) -> LangChainSearch:
    """Raises ConfigurationError where the settings name nothing that gives a retriever."""
    place = f"layers.retrieval.searches.{name}.langchain"
    made = called(place, values)
    if not isinstance(made, BaseRetriever):
        raise ConfigurationError(
            f"{place}: {values.retriever} gave a {type(made).__name__}, expected a LangChain retriever "
            "(a BaseRetriever, such as a vector store's as_retriever() gives)"
        )
    options = json.dumps(values.options, sort_keys=True, default=str)
    fingerprint = hashlib.sha256(f"{values.retriever}\0{options}".encode()).hexdigest()[:12]
    unlabelled = frozenset({PUBLIC}) if values.unlabelled == "public" else frozenset[str]()
    return LangChainSearch(name, made, values.retriever, fingerprint, passages, unlabelled, look)


def called(place: str, values: LangChainRetriever) -> Any:
    """What it gives, whatever that is; it is somebody else's code, and so are its errors."""
    try:
        return resolve_name(values.retriever)(**values.options)
    except ValidationError as error:
        # Not as it is: it holds the options' values, and one may be a key.
        raise ConfigurationError(f"{place}: {values.retriever} cannot be made: {in_one_line(error)}") from None
    except Exception as error:
        raise ConfigurationError(
            f"{place}: {values.retriever} cannot be made: {type(error).__name__}: {error}"
        ) from error


def passage_of(document: Document, number: int) -> Passage:
    """What its metadata does not say is made up: the source from its id, the title from its source.

    A `score` counts beside the ranker's word only where it runs from 0 to 1, as ours do.
    """
    text, known = document.page_content, document.metadata
    source = str(known.get("source") or document.id or "unnamed")
    score = known.get("score")
    return Passage(
        chunk_id=document.id or hashlib.sha256(f"{source}\0{text}".encode()).hexdigest()[:24],
        document_id=source,
        source=source,
        title=str(known.get("title") or source),
        headings=(),
        position=number,
        text=text,
        score=float(score) if isinstance(score, int | float) and 0 <= score <= 1 else 0.0,
    )
