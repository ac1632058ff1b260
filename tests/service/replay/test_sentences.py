import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.replay.sentences import Sentence, compared, split


def test_what_was_replaced_stands_between_what_stayed() -> None:
    then = "Visitors are welcome. Come from 2 p.m. on [1]. Children need an adult."
    now = "Visitors are welcome. Come at any time. Children need an adult."
    assert list(compared(then, now)) == [
        Sentence("same", "Visitors are welcome."),
        Sentence("then", "Come from 2 p.m. on [1]."),
        Sentence("now", "Come at any time."),
        Sentence("same", "Children need an adult."),
    ]


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        ("One.", "One. Two.", ["same", "now"]),
        ("One. Two.", "Two.", ["then", "same"]),
        ("One. Two.", "Two. One.", ["now", "same", "then"]),
        ("One.", "", ["then"]),
        ("", "", []),
    ],
)
def test_each_sentence_is_of_both_or_of_one(then: str, now: str, said: list[str]) -> None:
    assert [one.said for one in compared(then, now)] == said


def test_sentences_and_lines_stay_as_they_were_written() -> None:
    text = "Ask Dr. Lee before 8 p.m. Monday.\n- Bring a list [2]. It helps!\n\nThank you."
    assert split(text) == [
        "Ask Dr. Lee before 8 p.m. Monday.",
        "- Bring a list [2].",
        "It helps!",
        "Thank you.",
    ]


@given(st.text(), st.text())
def test_no_sentence_is_lost_on_either_side(then: str, now: str) -> None:
    found = list(compared(then, now))
    assert [one.text for one in found if one.said != "now"] == split(then)
    assert [one.text for one in found if one.said != "then"] == split(now)
