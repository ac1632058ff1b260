from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.documents import Section, content_hash
from ingest.parse import SUFFIXES, ParseError, Parser


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with closing(Parser(max_bytes=500_000)) as parser:
        yield parser


def test_a_markdown_file_becomes_a_document(parser: Parser) -> None:
    content = b"# Visiting\n\n## When\n\nEvery day."
    document = parser.parse("wards/visiting.md", content)
    assert document.source == "wards/visiting.md"
    assert document.title == "Visiting"
    assert document.sections == (Section(("When",), "Every day."),)
    assert document.content_hash == content_hash(content)


def test_labels_are_those_of_the_file_or_none(parser: Parser) -> None:
    assert parser.parse("a.md", b"---\nlabels: [staff]\n---\nx").labels == {"staff"}
    assert parser.parse("a.md", b"x").labels == frozenset()


def test_the_suffix_chooses_the_format_whatever_its_case(parser: Parser) -> None:
    assert parser.parse("A.HTM", b"<h1>Title</h1><p>text").title == "Title"
    assert parser.parse("a.TXT", b"<h1>no tags here").sections[0].text == "<h1>no tags here"


def test_a_large_text_is_read_by_the_limited_process(parser: Parser) -> None:
    words = b"word " * 80_000
    assert len(parser.parse("a.md", b"# T\n\n" + words).sections[0].text) == len(words) - 1


@pytest.mark.parametrize(("source", "size"), [("a.exe", 1), ("a", 1), ("a.md", 500_001)])
def test_other_formats_and_sizes_are_refused(parser: Parser, source: str, size: int) -> None:
    with pytest.raises(ParseError):
        parser.parse(source, b"a" * size)


@settings(max_examples=60, deadline=None)
@given(suffix=st.sampled_from(sorted(SUFFIXES)), content=st.binary(max_size=200))
def test_any_bytes_are_a_document_or_a_reason(parser: Parser, suffix: str, content: bytes) -> None:
    try:
        assert parser.parse(f"a{suffix}", content).sections
    except ParseError as error:
        assert str(error)
