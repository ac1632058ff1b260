"""Markdown and plain text to an outline; front matter gives title and labels and is dropped."""

import re
from collections.abc import Iterator

import yaml
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from ingest.documents import LABEL
from ingest.outline import Block, Outline, ParseError

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_HTML_TAG = re.compile(r"<!--.*?-->|<[^>]*>", re.DOTALL)


def decode(content: bytes) -> str:
    """The text of UTF-8 (or, with a byte order mark, UTF-16) bytes, with \\n as line break."""
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ParseError(
            f"It is not UTF-8 text ({error.reason} at byte {error.start}). Save it as UTF-8."
        ) from None
    if "\0" in text:
        raise ParseError("It holds NUL characters: a binary file under the name of a text file.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def text_outline(content: bytes) -> Outline:
    return Outline((Block(decode(content)),))


def markdown_outline(content: bytes) -> Outline:
    text = decode(content)
    matter = _FRONT_MATTER.match(text)
    try:
        title, labels = _metadata(matter[1]) if matter else ("", frozenset[str]())
        body = text[matter.end() :] if matter else text
        tree = SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(body))
        return Outline(tuple(_blocks(tree)), title, labels)
    except RecursionError:
        raise ParseError("Its marks or its front matter are nested hundreds of levels deep.") from None


def _metadata(matter: str) -> tuple[str, frozenset[str]]:
    # Every value as text: a title such as 2020-13-45 is no date and no error.
    try:
        values = yaml.load(matter, Loader=yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, ValueError, OverflowError):
        # The last two are PyYAML's own for "\U00110000" and "\UFFFFFFFF", which are no characters.
        raise ParseError("Its front matter (the part between the --- lines) is not valid YAML.") from None
    if not isinstance(values, dict):
        return "", frozenset()
    title, labels = values.get("title"), values.get("labels") or []
    labels = [labels] if isinstance(labels, str) else labels
    # A label that is misread would open a document to the wrong people: refuse what is not plainly a list.
    if not isinstance(labels, list) or not all(map(_is_label, labels)):
        raise ParseError(
            "The labels in its front matter should be a list of words of at most 40 letters, digits, dots, hyphens "
            "and underscores, as in: labels: [staff]"
        )
    return title if isinstance(title, str) else "", frozenset(labels)


def _is_label(value: object) -> bool:
    return isinstance(value, str) and LABEL.fullmatch(value) is not None


def _blocks(tree: SyntaxTreeNode) -> Iterator[Block]:
    for node in tree.children:
        level = int(node.tag[1]) if node.type == "heading" else 0
        yield Block(_render(node), level)


def _render(node: SyntaxTreeNode) -> str:
    match node.type:
        case "inline" | "heading" | "paragraph" | "th" | "td":
            return _inline(node)
        case "bullet_list" | "ordered_list":
            return "\n".join(_list_items(node))
        case "tr":
            return " | ".join(_inline(cell) for cell in node.children)
        case "table" | "thead" | "tbody":
            return "\n".join(map(_render, node.children))
        case "fence" | "code_block":
            return node.content
        case "html_block":
            return _HTML_TAG.sub("", node.content)
        case _:
            return "\n\n".join(map(_render, node.children))


def _list_items(node: SyntaxTreeNode) -> Iterator[str]:
    start = int(node.attrs.get("start", 1))
    for number, item in enumerate(node.children, start):
        mark = f"{number}. " if node.type == "ordered_list" else "- "
        yield mark + "\n".join(map(_render, item.children)).replace("\n", "\n  ")


def _inline(node: SyntaxTreeNode) -> str:
    match node.type:
        case "softbreak":
            return " "
        case "hardbreak":
            return "\n"
        case "html_inline":
            return ""
        case "text" | "code_inline" | "image":
            return node.content
        case _:
            return "".join(map(_inline, node.children))
