"""What is left of a text when its topics are taken out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.metrics.distorted import FUNCTION_WORDS, distorted, frequencies, vocabulary

NOUNS = st.text(alphabet="bcdfgjklmpqrvxz", min_size=4, max_size=12)
NUMBERS = st.from_regex(r"\A[1-9][0-9]{0,3}\Z")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("You can visit the ward.", "<s> you can * the * ."),
        ("Call 555-0100, or ask Dr. Lee.", "<s> * 0 , or * * * ."),
        ("Open until 8 p.m. every day.", "<s> * until 0 every * ."),
        ("Open until 8 p.m. It is late.", "<s> * until 0 . <s> it is * ."),
        ("You can\N{RIGHT SINGLE QUOTATION MARK}t pay.", "<s> you can't * ."),
        ("- Bring a card.\n- Bring a pen.", "<s> * a * . <s> * a * ."),
        ("", ""),
        ("[1]", ""),
    ],
)
def test_little_words_and_marks_are_left(text: str, left: str) -> None:
    assert " ".join(distorted(text)) == left


@pytest.mark.parametrize("mark", ["[1]", "[12]", "[cite]"])
def test_a_citation_leaves_no_trace(mark: str) -> None:
    bare = distorted("Open until 8 p.m. Call us.")
    assert (
        distorted(f"Open until 8 p.m. {mark}. Call us.") == distorted(f"Open until 8 p.m.{mark} Call us.") == bare
    )


def test_a_verdict_is_what_is_said_and_not_how() -> None:
    assert distorted("Yes, you can visit.") == distorted("No, you can visit.") == distorted("You can visit.")


@given(st.lists(NOUNS, min_size=3, max_size=3), st.lists(NOUNS, min_size=3, max_size=3), NUMBERS, NUMBERS)
def test_other_topics_leave_the_same(one: list[str], other: list[str], few: str, many: str) -> None:
    def said(words: list[str], number: str) -> list[str]:
        return distorted(f"You can {words[0]} the {words[1]} for ${number}. Ask {words[2].title()} before you go.")

    assert said(one, few) == said(other, many)


@given(st.text(max_size=80))
def test_no_content_word_is_ever_left(text: str) -> None:
    left = {token for token in distorted(text) if token.isalpha()}
    assert left <= FUNCTION_WORDS


def test_rows_have_length_one_however_long_the_text() -> None:
    texts = ["You can go.", "You can go. " * 20, "Nothing known"]
    columns = vocabulary(texts[:2], fewest=2)
    rows = frequencies(texts, columns)
    assert rows.shape == (3, len(columns))
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)


def test_a_length_is_no_style() -> None:
    text = "You can go. If you wait, you pay. "
    twice, often = frequencies([text * 2, text * 20], vocabulary([text * 2] * 2, fewest=2))
    assert twice @ often > 0.99


def test_what_few_texts_have_is_no_column() -> None:
    assert "you" in vocabulary(["You go.", "You stay."], fewest=2)
    assert "but" not in vocabulary(["You go.", "But you stay."], fewest=2)
