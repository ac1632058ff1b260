"""A page as a browser would see it, and that it needs nothing but itself."""

import re
from html.parser import HTMLParser

ATTRIBUTES_THAT_LOAD = {"src", "href", "srcset", "action", "data", "poster", "xlink:href"}
ELEMENTS_THAT_LOAD = {"script", "link", "img", "iframe", "object", "embed", "base", "form"}


class Reader(HTMLParser):
    """What a browser would see of elements, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def check_self_contained(page: str) -> None:
    """No element or style that loads anything, nothing that runs."""
    elements = Reader(page).elements
    assert not {tag for tag, _ in elements} & ELEMENTS_THAT_LOAD
    for tag, attributes in elements:
        assert not attributes.keys() & ATTRIBUTES_THAT_LOAD, tag
        assert not [name for name in attributes if name.startswith("on")], tag
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style and not re.search(r"url\(|@import|http", style.group(1))
