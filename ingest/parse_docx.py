"""Word files to an outline: heading styles, paragraphs, list items and table rows."""

import io
import re
from collections.abc import Iterator

import docx
from docx.document import Document as WordDocument
from docx.table import Table, _Row
from docx.text.paragraph import Paragraph

from ingest.outline import Block, Outline

_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)


def docx_outline(content: bytes) -> Outline:
    document = docx.Document(io.BytesIO(content))
    return Outline(tuple(_blocks(document)), document.core_properties.title or "")


def _blocks(document: WordDocument) -> Iterator[Block]:
    has_title = False
    for part in document.iter_inner_content():
        if isinstance(part, Table):
            yield Block("\n".join(map(_row, part.rows)))
            continue
        style = part.style.name if part.style is not None and part.style.name else ""
        has_title = has_title or style == "Title"
        yield Block(_text(part, style), _level(style, has_title))


def _level(style: str, has_title: bool) -> int:
    """A title stands above the headings: with one, 'Heading 1' is the second level."""
    if style == "Title":
        return 1
    found = _HEADING.fullmatch(style)
    return min(int(found[1]) + has_title, 6) if found else 0


def _text(paragraph: Paragraph, style: str) -> str:
    properties = paragraph._p.pPr
    numbered = properties is not None and properties.numPr is not None
    is_item = style.startswith("List") or (numbered and not _HEADING.fullmatch(style))
    return f"- {paragraph.text}" if is_item and paragraph.text.strip() else paragraph.text


def _row(row: _Row) -> str:
    # A merged cell is listed once for each column that it spans.
    cells = {id(cell._tc): " ".join(cell.text.split()) for cell in row.cells}
    return " | ".join(cells.values())
