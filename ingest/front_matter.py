"""Front matter: the lines between --- at the head of a Markdown file, which give its title and labels."""

import re
from dataclasses import dataclass
from typing import Any

import yaml

from configs.yaml_text import parse_yaml
from ingest.documents import LABEL
from ingest.outline import ParseError

_NAME = r"(?:labels?|lables?)"
_LEAD = re.compile(r"(?:[\s\ufeff\u200b]+|<!--.*?-->)*", re.DOTALL)
_BLOCK = re.compile(r"---[^\S\n]*\n(.*?)^(?:---|\.\.\.)[^\S\n]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
# How a file begins whose front matter is none: behind a heading, with its first line lost or mistyped, or
# with a dash that an editor made of it.
_OPENS = re.compile(
    r"(?:#.*\n\s*)?(?:\w[\w -]*[:=\[].*\n)*[^\S\n]*(?:-{2,5}|[–—]+|\+{3}|```\w*)[^\S\n]*$"
    rf"|{_NAME}[^\S\n]*[:=]",
    re.MULTILINE,
)
_MEANT = re.compile(rf"^[^\w#\n]*{_NAME}[\"'*]*[^\S\n]*(?:[:：=\[({{]|\w+[^\S\n]*$)", re.IGNORECASE | re.MULTILINE)
LABEL_NAME = re.compile(rf"^\s*{_NAME}\s*$", re.IGNORECASE)
_TOP_LINES = 30


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What it says, and the text behind it; without one, nothing and the whole text."""

    body: str
    title: str = ""
    labels: frozenset[str] = frozenset()


def front_matter(text: str) -> FrontMatter:
    """Empty lines and comments may stand before it. Raises ParseError where labels seem to be meant that cannot be
    read for sure: one that is misread would open a document to the wrong people.
    """
    rest = _LEAD.sub("", text, count=1)
    block = _BLOCK.match(rest)
    if block is None:
        _refuse(means_labels(rest))
        return FrontMatter(text)
    values = _values(block[1])
    if not isinstance(values, dict):
        # Text between two rules. Nothing at all between them is an empty front matter.
        _refuse(_MEANT.search(block[1]))
        return FrontMatter(text if values else rest[block.end() :])
    _refuse("labels" not in values and _MEANT.search(block[1]))
    _refuse(any(key != "labels" and LABEL_NAME.fullmatch(key) for key in values))
    title = values.get("title")
    return FrontMatter(rest[block.end() :], title if isinstance(title, str) else "", _labels(values))


def means_labels(text: str) -> bool:
    """Whether it begins as if it had front matter with labels in it."""
    top = "\n".join(text.lstrip().split("\n", _TOP_LINES)[:_TOP_LINES])
    return _OPENS.match(top) is not None and _MEANT.search(top) is not None


def refuse_labels(text: str) -> None:
    """For a format that has no front matter. Raises ParseError where the text begins with labels."""
    if means_labels(_LEAD.sub("", text, count=1)):
        raise no_labels_here()


def no_labels_here() -> ParseError:
    return ParseError(
        "Labels seem to stand at its head, and they are read in Markdown's front matter only. Take them away there "
        "and name them with `triptych ingest sync FILE --label staff`, or save it as Markdown."
    )


def _values(matter: str) -> Any:
    try:
        # Every value as text: a title such as 2020-13-45 is no date and no error.
        return parse_yaml(matter, as_text=True)
    except yaml.YAMLError:
        raise ParseError(
            "Its front matter (the part between the --- lines) is not valid YAML, or a key stands twice in it."
        ) from None


def _labels(values: dict[str, Any]) -> frozenset[str]:
    if "labels" not in values:
        return frozenset()
    labels = values["labels"]
    labels = [labels] if isinstance(labels, str) else labels
    if not labels or not isinstance(labels, list) or not all(map(_is_label, labels)):
        raise ParseError(
            "The labels in its front matter should be a list of one or more words of at most 40 letters, digits, "
            "dots, hyphens and underscores, as in: labels: [staff]"
        )
    return frozenset(labels)


def _is_label(value: object) -> bool:
    return isinstance(value, str) and LABEL.fullmatch(value) is not None


def _refuse(meant: object) -> None:
    if meant:
        raise ParseError(
            "Labels seem to stand at its head, but not in front matter as it is read. Begin the file with a line "
            "---, a line such as labels: [staff] and another line --- (labels: [public] if everybody may read it)."
        )
