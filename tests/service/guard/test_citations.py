import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.guard.citations import CitationFilter, listed

PIECES = [
    "[",
    "]",
    "1",
    "2",
    "9",
    "12",
    ",",
    ";",
    "-",
    "–",
    " ",
    "  ",
    "\n",
    "a",
    "8 p.m.",
    "[1]",
    "[2]",
    "[9]",
    "[1, 9]",
    "[]",
]
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=30).map("".join)


def filtered(pieces: list[str], passages: int) -> tuple[str, list[int]]:
    citations = CitationFilter(passages)
    cleaned = [*(citations.feed(piece) for piece in pieces), citations.finish()]
    return "".join(part.text for part in cleaned), [number for part in cleaned for number in part.new]


@pytest.mark.parametrize(
    ("text", "shown", "new"),
    [
        ("Until 8 p.m. [1].", "Until 8 p.m. [1].", [1]),
        ("Until 8 p.m. [4].", "Until 8 p.m..", []),
        ("Yes [1, 2].", "Yes [1][2].", [1, 2]),
        ("Yes [1,9].", "Yes [1].", [1]),
        ("Yes [1][4], no [2].", "Yes [1], no [2].", [1, 2]),
        ("Yes [12].", "Yes.", []),
        ("Yes [ 1 ].", "Yes [1].", [1]),
        ("Yes [1-3].", "Yes [1][2][3].", [1, 2, 3]),
        ("Yes [2–3] and [3].", "Yes [2][3] and [3].", [2, 3]),
        ("Yes [0] and [1] and [1].", "Yes and [1] and [1].", [1]),
        ("[9] The desk is open.", "The desk is open.", []),
        ("Yes [1", "Yes", []),
        ("Yes [", "Yes", []),
        ("A [note] stays, [] too.", "A [note] stays, [] too.", []),
        ("Nested [[9]9] is no trick.", "Nested9] is no trick.", []),
        ("Nor is [1[9]9].", "Nor is9].", []),
        ("Huge [99999999999999999999].", "Huge.", []),
        ("A range [1-999999999].", "A range [1].", [1]),
        (f"Endless [{'9' * 5000}].", "Endless.", []),
        (f"Endless [1-{'9' * 5000}].", "Endless [1].", [1]),
        ("Two\nlines [1]\n", "Two\nlines [1]", [1]),
    ],
)
def test_forms_of_citations(text: str, shown: str, new: list[int]) -> None:
    assert filtered([text], passages=3) == (shown, new)


def test_without_passages_every_number_goes() -> None:
    assert filtered(["Until 8 p.m. [1] every day [2]."], passages=0) == ("Until 8 p.m. every day.", [])


def test_text_flows_before_the_answer_is_complete() -> None:
    citations = CitationFilter(1)
    assert citations.feed("You can visit ").text == "You can visit"
    assert citations.feed("until 8 p.m. [").text == " until 8 p.m."
    assert citations.feed("1").text == ""
    assert citations.feed("] every day").new == (1,)


@given(texts, st.data(), st.integers(0, 12))
def test_pieces_of_any_size_give_the_same_answer(text: str, data: st.DataObject, passages: int) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert filtered(pieces, passages) == filtered([text], passages)
    assert filtered(list(text), passages) == filtered([text], passages)


@given(texts, st.integers(0, 12))
def test_no_number_without_a_passage_survives(text: str, passages: int) -> None:
    shown, new = filtered([text], passages)
    inside = re.findall(r"\[([0-9\s,;–-]*[0-9][0-9\s,;–-]*)\]", shown)
    assert all(1 <= number <= passages for numbers in inside for number in listed(numbers))
    assert sorted(set(new)) == sorted({number for numbers in inside for number in listed(numbers)})


@given(texts, st.integers(0, 12))
def test_what_is_clean_stays_as_it_is(text: str, passages: int) -> None:
    shown, _ = filtered([text], passages)
    assert filtered([shown], passages)[0] == shown
