"""A label that is a little off is refused: read as none, it would open the document to everybody."""

import pytest

from ingest.front_matter import front_matter, refuse_labels
from ingest.outline import ParseError

GOOD = "---\ntitle: Safe\nlabels: [staff]\n---\n"


@pytest.mark.parametrize(
    "lead", ["", "\n", "  \n\n", "\ufeff\n", "<!-- internal -->\n", "<!-- a -->\n\n<!--\n---\nb -->\n"]
)
def test_empty_lines_and_comments_may_stand_before_it(lead: str) -> None:
    read = front_matter(f"{lead}{GOOD}text")
    assert (read.title, read.labels, read.body) == ("Safe", frozenset({"staff"}), "text")


@pytest.mark.parametrize(
    "text",
    [
        "---\nlabels: [staff]\n\n# Alarm\n\nThe code.",
        "----\nlabels: [staff]\n----\ntext",
        "--\nlabels: [staff]\n--\ntext",
        "—\nlabels: [staff]\n—\ntext",
        '+++\nlabels = ["staff"]\n+++\ntext',
        "```yaml\nlabels: [staff]\n```\ntext",
        "# Safe\n\n---\nlabels: [staff]\n---\ntext",
        "title: Safe\nlabels: [staff]\n---\ntext",
        "labels: [staff]\n\ntext",
        "---\nLabels: [staff]\n---\ntext",
        "---\nlabel: staff\n---\ntext",
        "---\nlables: staff\n---\ntext",
        "---\nlabels: [public]\nLabels: [staff]\n---\ntext",
        "---\n{title: Safe, Labels: [staff]}\n---\ntext",
        "---\nlabels [staff]\n---\ntext",
        "---\nlabels staff\n---\ntext",
        "---\n- labels: [staff]\n---\ntext",
        "---\ntitle:\n  labels: [staff]\n---\ntext",
        "---\ntitle: Safe\n  labels [staff]\n---\ntext",
    ],
)
def test_labels_that_are_not_read_are_refused(text: str) -> None:
    with pytest.raises(ParseError, match="Labels seem to stand"):
        front_matter(text)


@pytest.mark.parametrize("labels", ["labels: {}", "labels: []", "labels:", "labels: ''", "labels: staff nurses"])
def test_a_label_line_without_a_plain_label_is_refused(labels: str) -> None:
    with pytest.raises(ParseError, match="list of one or more words"):
        front_matter(f"---\n{labels}\ntitle: Safe\n---\ntext")


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(ParseError, match="stands twice"):
        front_matter("---\nlabels: [staff]\ntitle: Safe\nlabels: [public]\n---\ntext")


@pytest.mark.parametrize(
    "text",
    [
        "---\n\n# Visiting\n\nEvery day.",
        "---\nWelcome to us.\n---\n\nEvery day.",
        "---\n- one\n- two\n---\nmore",
        "---\n\nPrint the labels: they are free.\n",
        "Visiting\n---\n\nLabels: every tube has one.",
        "Label: ibuprofen tablet\n\nTake one.",
        "# Labels\n\nLabels: every tube has one.\n",
    ],
)
def test_a_rule_and_text_about_labels_are_text(text: str) -> None:
    assert front_matter(text).body == text
    refuse_labels(text)


def test_empty_or_commented_front_matter_names_none() -> None:
    assert front_matter("---\n---\ntext").body == "text"
    assert front_matter("---\n# labels: [staff]\ntitle: a\n---\ntext").labels == frozenset()


def test_elsewhere_labels_are_refused_and_not_ignored() -> None:
    with pytest.raises(ParseError, match="--label staff"):
        refuse_labels(f"\n{GOOD}text")


def test_long_leads_are_read_in_little_time() -> None:
    assert front_matter("<!-- -->" * 20_000 + "x").labels == frozenset()
    assert front_matter("<!-- " * 20_000 + "\n" * 20_000).labels == frozenset()
    assert front_matter("a:\n" * 20_000 + "*" * 100_000).labels == frozenset()
