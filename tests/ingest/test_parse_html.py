import pytest

from ingest.outline import Block, ParseError
from ingest.parse_html import html_outline


def blocks(html: str) -> list[Block]:
    outline = html_outline(html.encode())
    return [Block(block.text.strip(), block.level) for block in outline.blocks if block.text.strip()]


def test_only_the_main_content_is_kept() -> None:
    page = """<html><head><title>The title</title><script>var a</script></head><body>
      <header>Our site</header><nav><a href="/">Home</a></nav>
      <main><h1>Visiting</h1><p>Every   day<br>from <b>nine</b>.</p>
      <style>p {}</style><div aria-hidden="true">hidden</div><p style="display:none">secret orders</p></main>
      <footer>Imprint</footer></body></html>"""
    assert blocks(page) == [Block("Visiting", 1), Block("Every day\nfrom nine.")]
    assert html_outline(page.encode()).title == "The title"


def test_without_a_main_element_the_body_is_read() -> None:
    assert blocks("<body>loose <i>text</i><h2>Next</h2><div><div>deep</div></div></body>") == [
        Block("loose text"),
        Block("Next", 2),
        Block("deep"),
    ]


def test_lists_and_tables_become_lines() -> None:
    lists = "<ul><li>one</li><li>two<ol><li>a</li></ol></li></ul>"
    table = "<table><tr><th>Day</th><td>Open</td></tr></table>"
    assert blocks(lists + table) == [Block("- one\n- two\n  1. a"), Block("Day | Open")]


def test_text_between_blocks_keeps_its_place() -> None:
    assert blocks("<p>one</p>two<p>three</p>four") == [
        Block("one"),
        Block("two"),
        Block("three"),
        Block("four"),
    ]


def test_preformatted_text_keeps_its_lines() -> None:
    assert blocks("<pre>a\n  b</pre>") == [Block("a\n  b")]


def test_headings_inside_unknown_elements_are_found() -> None:
    assert blocks("<x-card><h3>Card</h3><p>text</p></x-card>") == [Block("Card", 3), Block("text")]


def test_the_encoding_that_the_page_names_is_used() -> None:
    page = '<meta charset="iso-8859-1"><p>naïve</p>'.encode("iso-8859-1")
    assert html_outline(page).blocks[-2].text == "naïve"


@pytest.mark.parametrize(
    "page",
    [
        '<html><head><meta name="labels" content="staff"></head><body><p>PIN 4471</p></body></html>',
        "<META NAME=Label CONTENT=staff><p>PIN 4471",
        "---\nlabels: [staff]\n---\n<html><head><title>Pay</title></head><body><p>PIN 4471</p></body></html>",
    ],
)
def test_labels_that_nobody_reads_are_refused(page: str) -> None:
    with pytest.raises(ParseError, match="--label staff"):
        html_outline(page.encode())
