"""The words that all folders share: documents, chunks, passages, and their ids."""

import hashlib
import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

PUBLIC = "public"
# Who may read a document: under any other label no reader could ask for it.
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")

# A row for each text, of length 1.
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Section:
    """A run of text under one heading path, outermost heading first (without the title)."""

    headings: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """One parsed file. `source` is its path below the folder that was ingested, with forward slashes."""

    source: str
    title: str
    sections: tuple[Section, ...]
    content_hash: str
    labels: frozenset[str] = field(default=frozenset({PUBLIC}))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document that fits the embedder together with its title and heading path.

    `sentences` are those of the text that get a vector of their own, too.
    """

    id: str
    position: int
    title: str
    headings: tuple[str, ...]
    text: str
    sentences: tuple[str, ...] = ()

    @property
    def embedded_text(self) -> str:
        """What is embedded and searched by keyword: where the text stands, then the text."""
        return embedded_text(self.title, self.headings, self.text)

    @property
    def embedded_texts(self) -> tuple[str, ...]:
        """The whole, then each of its sentences in the same place."""
        sentences = (embedded_text(self.title, self.headings, sentence) for sentence in self.sentences)
        return (self.embedded_text, *sentences)


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that retrieval chose. `score` is the fused score in 0..1; higher is better."""

    chunk_id: str
    document_id: str
    source: str
    title: str
    headings: tuple[str, ...]
    position: int
    text: str
    score: float = 0.0

    @property
    def place(self) -> str:
        """Where the passage stands, for people: 'Title > Heading'."""
        return place(self.title, self.headings)

    @property
    def embedded_text(self) -> str:
        """What was embedded of its chunk."""
        return embedded_text(self.title, self.headings, self.text)


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk id with the score of one search; higher is better."""

    chunk_id: str
    score: float


def place(title: str, headings: tuple[str, ...]) -> str:
    return " > ".join((title, *headings))


def embedded_text(title: str, headings: tuple[str, ...], text: str) -> str:
    return f"{place(title, headings)}\n{text}"


def content_hash(content: bytes) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def document_id(collection_id: str, source: str) -> str:
    """A document keeps its id over its revisions: collection and source make it."""
    return hashlib.sha256(f"{collection_id}\0{source}".encode()).hexdigest()[:16]


def chunk_id(document: str, revision: str, position: int) -> str:
    """A chunk's id changes with its document's content: a stale one can never be mistaken for a live one."""
    return hashlib.sha256(f"{document}\0{revision}\0{position}".encode()).hexdigest()[:24]
