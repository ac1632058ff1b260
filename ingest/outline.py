"""From a file's headings and blocks of text to the sections of a document."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from ingest.documents import Document, Section

# Characters that a reader never sees but a model reads: tags, variation selectors, zero-width marks; and
# control characters and lone surrogates, which the databases refuse.
_INVISIBLE = re.compile(
    "[\U000e0000-\U000e007f\ufe00-\ufe0f\u200b-\u200d\u2060\ufeff\u00ad\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]"
)
_LINE_BREAK = re.compile(r"\r\n?|\f|\u2028|\u2029|\x85")
_SPACES = re.compile(r"(?<=\S)[ \t\u00a0]+")
_TRAILING = re.compile(r"[ \t\u00a0]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")


class ParseError(Exception):
    """A file cannot become a document; the message is the reason, for the person who owns the file."""


@dataclass(frozen=True, slots=True)
class Block:
    """A heading (level 1 to 6) or, with level 0, a run of body text."""

    text: str
    level: int = 0


@dataclass(frozen=True, slots=True)
class Outline:
    """What every format is parsed to. `title` and `labels` are what the file's metadata says."""

    blocks: tuple[Block, ...]
    title: str = ""
    labels: frozenset[str] = frozenset()


def clean(text: str) -> str:
    """The text in NFC, without invisible characters and without runs of spaces or blank lines."""
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", _LINE_BREAK.sub("\n", text)))
    text = _TRAILING.sub("", _SPACES.sub(" ", text))
    return _BLANK_LINES.sub("\n\n", text).strip("\n")


def one_line(text: str) -> str:
    """The text as a heading or title: clean, and without line breaks."""
    return " ".join(clean(text).split())


def to_document(source: str, outline: Outline, content_hash: str) -> Document:
    """The document; its labels are those of its metadata, and empty where that names none."""
    blocks = [block for block in map(_cleaned, outline.blocks) if block.text.strip()]
    first = next((block for block in blocks if block.level == 1), None)
    if first is not None:
        blocks.remove(first)
    title = first.text if first else one_line(outline.title) or readable_stem(source)
    sections = tuple(_sections(blocks))
    if not sections:
        raise ParseError("It holds no text. Remove the file or fill it.")
    return Document(source, title, sections, content_hash, outline.labels)


def readable_stem(source: str) -> str:
    """A file's name as a title: 'guides/visiting-hours.md' becomes 'Visiting hours'."""
    words = one_line(re.sub(r"[-_]+", " ", PurePosixPath(source).stem))
    return words[:1].upper() + words[1:]


def _cleaned(block: Block) -> Block:
    return Block(one_line(block.text) if block.level else clean(block.text), block.level)


def _sections(blocks: Iterable[Block]) -> Iterator[Section]:
    path: list[Block] = []
    texts: list[str] = []
    for block in blocks:
        if not block.level:
            texts.append(block.text)
            continue
        if texts:
            yield _section(path, texts)
        texts = []
        path = [*(outer for outer in path if outer.level < block.level), block]
    if texts:
        yield _section(path, texts)


def _section(path: list[Block], texts: list[str]) -> Section:
    return Section(tuple(block.text for block in path), "\n\n".join(texts))
