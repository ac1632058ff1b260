import pytest
from fpdf import FPDF

from ingest.outline import Block, Outline, ParseError
from ingest.parse_pdf import pdf_outline


def write(*lines: tuple[int, str], pages: int = 1, footer: str = "") -> FPDF:
    """A PDF with the lines, each in its type size, on every page."""
    pdf = FPDF()
    for number in range(1, pages + 1):
        pdf.add_page()
        for size, text in lines:
            pdf.set_font("Helvetica", size=size)
            pdf.multi_cell(0, 8, text.format(page=number), new_x="LMARGIN", new_y="NEXT")
        if footer:
            pdf.set_font("Helvetica", size=10)
            pdf.cell(0, 8, footer.format(page=number))
    return pdf


def read(pdf: FPDF) -> Outline:
    return pdf_outline(bytes(pdf.output()))


def test_larger_type_makes_headings() -> None:
    body = "Plain text of the ward. " * 5
    outline = read(write((24, "Ward guide"), (11, body), (16, "Visiting"), (11, body), (16, "Meals"), (11, body)))
    assert [(block.level, block.text) for block in outline.blocks if block.level] == [
        (1, "Ward guide"),
        (2, "Visiting"),
        (2, "Meals"),
    ]
    assert all(block.text == body.strip() for block in outline.blocks if not block.level)


def test_without_larger_type_each_page_is_a_section() -> None:
    outline = read(write((11, "This is the text of page {page}."), pages=2))
    assert outline.blocks == (
        Block("Page 1", 2),
        Block("This is the text of page 1."),
        Block("Page 2", 2),
        Block("This is the text of page 2."),
    )


def test_running_footers_are_dropped() -> None:
    body = [(11, "Part {page}, first line."), (11, "Second line."), (11, "Last line.")]
    outline = read(write(*body, pages=4, footer="Hospital guide, page {page} of 4"))
    texts = [block.text for block in outline.blocks if not block.level]
    assert len(texts) == 4
    assert all(text.endswith("Last line.") for text in texts)


def test_the_metadata_title_is_kept() -> None:
    pdf = write((11, "text"))
    pdf.set_title("From the metadata")
    assert read(pdf).title == "From the metadata"


def test_an_encrypted_pdf_is_refused() -> None:
    pdf = write((11, "text"))
    pdf.set_encryption(owner_password="owner", user_password="user")
    with pytest.raises(ParseError, match="encrypted"):
        read(pdf)


def test_a_pdf_without_text_is_refused() -> None:
    pdf = FPDF()
    pdf.add_page()
    pdf.rect(10, 10, 50, 50)
    with pytest.raises(ParseError, match="OCR"):
        read(pdf)
