import io

import docx
from docx.document import Document

from ingest.outline import Block, Outline
from ingest.parse_docx import docx_outline


def read(document: Document) -> Outline:
    content = io.BytesIO()
    document.save(content)
    return docx_outline(content.getvalue())


def test_styles_become_headings_lists_and_rows() -> None:
    document = docx.Document()
    document.add_heading("Ward guide", 0)
    document.add_heading("Visiting", 1)
    document.add_paragraph("Every day.")
    document.add_paragraph("Bring nothing", style="List Bullet")
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Day", "Open"
    assert read(document).blocks == (
        Block("Ward guide", 1),
        Block("Visiting", 2),
        Block("Every day."),
        Block("- Bring nothing"),
        Block("Day | Open"),
    )


def test_without_a_title_the_headings_start_at_the_top() -> None:
    document = docx.Document()
    document.add_heading("Visiting", 1)
    document.add_paragraph("Every day.")
    assert read(document).blocks[0] == Block("Visiting", 1)


def test_a_merged_cell_is_read_once() -> None:
    document = docx.Document()
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "whole row"
    assert read(document).blocks == (Block("whole row"),)


def test_the_metadata_title_is_kept() -> None:
    document = docx.Document()
    document.core_properties.title = "From the metadata"
    assert read(document).title == "From the metadata"
