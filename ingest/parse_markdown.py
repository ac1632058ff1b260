"""Markdown and plain text to an outline; Markdown's front matter gives title and labels and is dropped."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from ingest.front_matter import front_matter, refuse_labels
from ingest.outline import Block, Outline, ParseError

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
    text = decode(content)
    refuse_labels(text)
    return Outline((Block(text),))


def markdown_outline(content: bytes) -> Outline:
    matter = front_matter(decode(content))
    try:
        tree = SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(matter.body))
        return Outline(tuple(_blocks(tree)), matter.title, matter.labels)
    except RecursionError:
        raise ParseError("Its marks are nested hundreds of levels deep.") from None


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
