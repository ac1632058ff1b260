"""Documents to chunks: along headings, in the embedder's own tokens."""

import hashlib
import re
from collections.abc import Callable, Iterator
from math import ceil

from langchain_text_splitters import RecursiveCharacterTextSplitter

from ingest.documents import Chunk, Document, Section, chunk_id, embedded_text, place

# Paragraphs, lines, sentences, words, and at last characters, so that a piece always fits.
_SEPARATORS = [r"\n\n", r"\n", r"(?<=[.!?])\s+", r"\s+", ""]

# A sentence ends before a capital letter: not within "8 a.m. to 9 a.m.".
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")

# What is shorter says nothing by itself.
_SENTENCE_CHARACTERS = 16

# A word that the tokenizer does not know counts as one token, however long it is: this many characters of it
# count as one.
_CHARACTERS_PER_TOKEN = 12


class Splitter:
    """Cuts documents so that no chunk is ever cut off by the embedder.

    `max_tokens` holds a chunk's text together with its title and heading path; `overlap_tokens` of whole
    sentences are repeated where a section is too long for one chunk. With `sentences`, each chunk names its own,
    so that every one gets a vector.
    """

    def __init__(
        self,
        count_tokens: Callable[[str], int],
        max_tokens: int,
        overlap_tokens: int = 0,
        sentences: bool = False,
    ) -> None:
        if not 0 <= overlap_tokens <= max_tokens // 4 or max_tokens < 16:
            raise ValueError(
                "A splitter needs max_tokens of 16 or more and overlap_tokens up to a quarter of it, "
                f"got {max_tokens} and {overlap_tokens}."
            )
        self._count_tokens = count_tokens
        self._max_tokens = max_tokens
        self._overlap_tokens = overlap_tokens
        self._sentences = sentences

    @property
    def fingerprint(self) -> str:
        """Changes when the same document would be cut differently."""
        recipe = f"headings-2 {self._max_tokens} {self._overlap_tokens}" + " sentences-1" * self._sentences
        return hashlib.sha256(recipe.encode()).hexdigest()[:12]

    def split(self, document: Document, document_id: str) -> list[Chunk]:
        return [
            Chunk(
                chunk_id(document_id, document.content_hash, position),
                position,
                title,
                headings,
                text,
                sentences(text) if self._sentences else (),
            )
            for position, (title, headings, text) in enumerate(self._pieces(document))
        ]

    def _pieces(self, document: Document) -> Iterator[tuple[str, tuple[str, ...], str]]:
        for section in document.sections:
            title, headings = self._fitting_place(document.title, section)
            around = self._count_tokens(embedded_text(title, headings, ""))
            for text in self._cut(section.text, self._max_tokens - around):
                yield title, headings, text

    def _fitting_place(self, title: str, section: Section) -> tuple[str, tuple[str, ...]]:
        """Title and headings in half of the room at most: outer headings go first, then the title's end."""
        headings = section.headings
        room = self._max_tokens // 2
        while headings and self._length(place(title, headings)) > room:
            headings = headings[1:]
        while self._length(title) > room:
            title = title[: len(title) // 2]
        return title, headings

    def _cut(self, text: str, room: int) -> list[str]:
        length = self._length(text)
        if length <= room:
            return [text]
        # Pieces of about equal length, instead of full ones and a scrap at the end.
        size = min(room, ceil(length / ceil(length / room) * 1.15))
        splitter = RecursiveCharacterTextSplitter(
            separators=_SEPARATORS,
            is_separator_regex=True,
            keep_separator="end",
            chunk_size=size,
            chunk_overlap=min(self._overlap_tokens, size // 2),
            length_function=self._length,
        )
        return splitter.split_text(text)

    def _length(self, text: str) -> int:
        return max(self._count_tokens(text), ceil(len(text) / _CHARACTERS_PER_TOKEN))


def sentences(text: str) -> tuple[str, ...]:
    """The text's sentences and list items; none where it is only one."""
    parts = (part.strip() for line in text.splitlines() for part in SENTENCE_END.split(line))
    telling = tuple(part for part in parts if len(part) >= _SENTENCE_CHARACTERS)
    return telling if len(telling) > 1 else ()
