import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from ingest.documents import LABEL
from ingest.outline import Block, ParseError, to_document
from ingest.parse_markdown import decode, markdown_outline, text_outline
from service.schemas import Label


def blocks(text: str) -> list[Block]:
    return list(markdown_outline(text.encode()).blocks)


def test_headings_and_paragraphs() -> None:
    assert blocks("# Title\n\nOne\nline.\n\nSetext\n------\ntext") == [
        Block("Title", 1),
        Block("One line."),
        Block("Setext", 2),
        Block("text"),
    ]


def test_a_comment_in_a_code_fence_is_no_heading() -> None:
    assert blocks("```sh\n# not a heading\nls\n```") == [Block("# not a heading\nls\n")]


def test_link_texts_stay_and_their_targets_go() -> None:
    assert blocks("See [the *form*](https://example.org/x) and ![a map](m.png).") == [
        Block("See the form and a map.")
    ]


def test_lists_keep_their_marks_and_nesting() -> None:
    assert blocks("- one\n- two\n  1. a\n  2. b") == [Block("- one\n- two\n  1. a\n  2. b")]


def test_table_rows_are_lines() -> None:
    assert blocks("| Day | Open |\n|-----|------|\n| Mon | 9–5 |") == [Block("Day | Open\nMon | 9–5")]


def test_html_tags_and_comments_go_and_their_text_stays() -> None:
    assert blocks("<div>\nkept<!-- dropped -->\n</div>\n\na <b>bold</b> word") == [
        Block("\nkept\n\n"),
        Block("a bold word"),
    ]


def test_front_matter_gives_title_and_labels() -> None:
    outline = markdown_outline(b"---\ntitle: 2020-13-45\nlabels: [staff, nurses]\nother: {a: 1}\n---\n\ntext")
    assert outline.title == "2020-13-45"
    assert outline.labels == {"staff", "nurses"}
    assert outline.blocks == (Block("text"),)


def test_a_single_label_may_be_a_word() -> None:
    assert markdown_outline(b"---\nlabels: staff\n---\ntext").labels == {"staff"}


def test_a_rule_inside_the_text_is_no_front_matter() -> None:
    assert blocks("text\n\n---\nmore") == [Block("text"), Block(""), Block("more")]


@pytest.mark.parametrize(
    "matter",
    [
        "labels: {staff: yes}",
        "labels: [[staff]]",
        "labels: ['']",
        "labels: [two words]",
        "labels: [-staff]",
        f"labels: [{'a' * 41}]",
        r'labels: ["\ud800"]',
        r'labels: ["staff\n"]',
        "title: [unclosed",
        r'title: "\UFFFFFFFF"',
        r'title: "\U00110000"',
        "a: " + "[" * 5000,
    ],
)
def test_front_matter_that_cannot_be_understood_is_refused(matter: str) -> None:
    with pytest.raises(ParseError, match="front matter"):
        markdown_outline(f"---\n{matter}\n---\ntext".encode())


def test_labels_are_those_that_the_api_knows() -> None:
    assert TypeAdapter(Label).json_schema()["pattern"] == f"^{LABEL.pattern}$"


def test_half_a_character_in_a_title_is_dropped_before_a_database_refuses_it() -> None:
    outline = markdown_outline(b'---\ntitle: "Visits\\ud800"\n---\ntext')
    assert to_document("a.md", outline, "0").title == "Visits"


def test_endless_nesting_is_refused() -> None:
    with pytest.raises(ParseError, match="nested"):
        markdown_outline(("*a _b " * 2000 + "b_ a* " * 2000).encode())


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    content = text.encode("utf-8", "surrogatepass")
    try:
        markdown_outline(content)
    except ParseError as error:
        assert str(error)


@pytest.mark.parametrize(
    "content", ["naïve".encode(), b"\xef\xbb\xbf" + "naïve".encode(), "naïve".encode("utf-16")]
)
def test_encodings_with_a_mark_are_known(content: bytes) -> None:
    assert decode(content) == "naïve"


@pytest.mark.parametrize("content", ["naïve".encode("latin-1"), b"\x00\x01binary"])
def test_what_is_not_text_is_refused(content: bytes) -> None:
    with pytest.raises(ParseError):
        decode(content)


def test_plain_text_is_one_block() -> None:
    assert text_outline(b"# no heading\r\n\r\ntext").blocks == (Block("# no heading\n\ntext"),)


def test_a_text_file_with_front_matter_is_refused() -> None:
    with pytest.raises(ParseError, match="save it as Markdown"):
        text_outline(b"---\nlabels: [staff]\n---\nWifi")
