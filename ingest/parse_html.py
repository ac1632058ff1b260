"""HTML to an outline: the main content, without navigation, scripts, forms and what is hidden."""

from collections.abc import Iterator

from bs4 import BeautifulSoup, Comment, Tag
from bs4.element import NavigableString, PageElement

from ingest.front_matter import LABEL_NAME, no_labels_here, refuse_labels
from ingest.outline import Block, Outline

_NOISE = (
    "nav, script, style, noscript, template, iframe, svg, form, button, aside, footer, dialog, [hidden], "
    '[aria-hidden="true"], [role="navigation"], [role="banner"], [role="contentinfo"], [role="search"], '
    '[style*="display:none"], [style*="display: none"], [style*="visibility:hidden"]'
)
_MAIN = 'main, [role="main"], article'
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_CONTAINERS = frozenset(
    [
        *("html", "body", "main", "article", "section", "div", "header"),
        *("blockquote", "figure", "details", "dl", "center"),
    ]
)
_LEAVES = frozenset(["p", "pre", "dt", "dd", "figcaption", "summary", "address", "caption", "legend"])


def html_outline(content: bytes) -> Outline:
    soup = BeautifulSoup(content, "lxml")
    _refuse_labels(soup)
    title = soup.title.get_text() if soup.title else ""
    for noise in soup.select(_NOISE):
        noise.decompose()
    root = soup.select_one(_MAIN) or soup.body or soup
    return Outline(tuple(_blocks(root)), title)


def _refuse_labels(soup: BeautifulSoup) -> None:
    """Raises ParseError: a label that nobody reads would leave the page open to everybody."""
    refuse_labels(soup.get_text())
    if soup.find("meta", attrs={"name": LABEL_NAME}):
        raise no_labels_here()


def _blocks(parent: Tag) -> Iterator[Block]:
    loose: list[str] = []
    for child in parent.children:
        inner = list(_element(child))
        if not inner:
            loose.append(_inline(child))
            continue
        yield Block("".join(loose))
        loose.clear()
        yield from inner
    yield Block("".join(loose))


def _element(node: PageElement) -> Iterator[Block]:
    """The blocks of a block element; none for inline elements and text."""
    if not isinstance(node, Tag):
        return
    if node.name in _HEADINGS:
        yield Block(_inline(node), _HEADINGS[node.name])
    elif node.name in _LEAVES:
        yield Block(node.get_text() if node.name == "pre" else _inline(node))
    elif node.name in ("ul", "ol"):
        yield Block("\n".join(_list_items(node)))
    elif node.name == "table":
        yield Block("\n".join(map(_row, node.find_all("tr"))))
    elif node.name in _CONTAINERS or node.find(["p", "div", "ul", "ol", "table", *_HEADINGS]):
        yield from _blocks(node)


def _list_items(node: Tag) -> Iterator[str]:
    for number, item in enumerate(node.find_all("li", recursive=False), 1):
        mark = f"{number}. " if node.name == "ol" else "- "
        texts = (block.text.strip() for block in _blocks(item))
        yield mark + "\n".join(filter(None, texts)).replace("\n", "\n  ")


def _row(row: Tag) -> str:
    return " | ".join(_inline(cell).strip() for cell in row.find_all(["th", "td"], recursive=False))


def _inline(node: PageElement) -> str:
    """Text as a browser would flow it: runs of white space are one space, <br> is a line break."""
    if isinstance(node, NavigableString):
        return "" if isinstance(node, Comment) else _flow(str(node))
    if not isinstance(node, Tag):
        return ""
    return "\n" if node.name == "br" else "".join(map(_inline, node.children))


def _flow(text: str) -> str:
    words = " ".join(text.split())
    before = " " if text[:1].isspace() else ""
    after = " " if words and text[-1:].isspace() else ""
    return before + words + after
