"""PDF to an outline: headings are guessed from larger type, else every page is a section."""

import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pypdf import PageObject, PdfReader

from ingest.outline import Block, Outline, ParseError

_HEADING_RATIO = 1.15
_HEADING_LENGTH = 120
_BULLET = re.compile(r"^[•▪●◦‣·]\s*")
_HYPHENATED = re.compile(r"(?<=[a-z])-\n(?=[a-z])")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page with its type size in points."""

    text: str
    size: float


def pdf_outline(content: bytes) -> Outline:
    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted:
        raise ParseError("It is an encrypted PDF. Save a copy without a password.")
    pages = _without_running_lines([list(_lines(page)) for page in reader.pages])
    if not any(line.text for page in pages for line in page):
        raise ParseError("It is a PDF without text, probably a scan. Run text recognition (OCR) on it first.")
    levels = _heading_levels(list(itertools.chain.from_iterable(pages)))
    blocks = _by_heading(pages, levels) if levels else _by_page(pages)
    return Outline(tuple(blocks), (reader.metadata and reader.metadata.title) or "")


def _lines(page: PageObject) -> Iterator[Line]:
    for is_break, group in itertools.groupby(_fragments(page), lambda fragment: fragment.text == "\n"):
        fragments = list(group)
        text = " ".join("".join(fragment.text for fragment in fragments).split())
        if text and not is_break:
            yield Line(text, max(fragments, key=lambda fragment: len(fragment.text.strip())).size)


def _fragments(page: PageObject) -> list[Line]:
    found: list[Line] = []

    def visit(text: str, matrix: list[float], text_matrix: list[float], font: Any, size: float) -> None:
        scale = abs(text_matrix[3] or text_matrix[2]) * abs(matrix[3] or matrix[2])
        points = round(size * scale, 1)
        found.extend(Line(piece, points) for piece in re.split(r"(\n)", text) if piece)

    page.extract_text(visitor_text=visit)
    return found


def _without_running_lines(pages: list[list[Line]]) -> list[list[Line]]:
    """Drops page headers and footers: a first or last line that most pages share, numbers aside."""
    full = [page for page in pages if len(page) > 2]
    edges = Counter(_shape(line) for page in full for line in {page[0], page[-1]})
    running = {shape for shape, count in edges.items() if len(pages) >= 3 and count > len(pages) / 2}
    return [
        [line for line in page if _shape(line) not in running or line not in (page[0], page[-1])] for page in pages
    ]


def _shape(line: Line) -> str:
    return re.sub(r"\d+", "#", line.text)


def _heading_levels(lines: list[Line]) -> dict[float, int]:
    """Type size -> heading level. Level 1 is only given to a size that is used once: the title."""
    characters: Counter[float] = Counter()
    for line in lines:
        characters[line.size] += len(line.text)
    smallest = characters.most_common(1)[0][0] * _HEADING_RATIO
    runs = [
        size for size, _ in itertools.groupby(line.size for line in lines if _is_short(line)) if size >= smallest
    ]
    sizes = sorted(set(runs), reverse=True)
    first = 1 if sizes and runs.count(sizes[0]) == 1 else 2
    return {size: min(level, 6) for level, size in enumerate(sizes, first)}


def _is_short(line: Line) -> bool:
    return len(line.text) <= _HEADING_LENGTH


def _by_heading(pages: list[list[Line]], levels: dict[float, int]) -> Iterator[Block]:
    lines = itertools.chain.from_iterable(pages)
    for level, group in itertools.groupby(lines, lambda line: levels.get(line.size, 0) * _is_short(line)):
        # Lines of a heading are joined like those of a paragraph: a long one is often broken.
        yield Block(_paragraph(group), level)


def _by_page(pages: list[list[Line]]) -> Iterator[Block]:
    for number, page in enumerate(pages, 1):
        yield Block(f"Page {number}", 2)
        yield Block(_paragraph(page))


def _paragraph(lines: Iterable[Line]) -> str:
    text = "\n".join(_BULLET.sub("\n- ", line.text) for line in lines)
    text = _HYPHENATED.sub("", text)
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text).replace("\n\n", "\n")
