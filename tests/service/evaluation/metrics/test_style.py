"""Style measures by hand; syllables as pronouncing dictionaries count them."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.metrics.style import (
    length,
    on_style,
    reading_grade,
    required_parts,
    syllables,
    you_form,
)

COUNTED = {
    1: "the call late closed times missed ward phone through",
    2: "visit hour little needed buses business nation safely someone patient client going loyal",
    3: "hospital medicine radio visitor usual deliver family insurance",
    4: "information continuous usually",
    5: "cafeterias",
}


@pytest.mark.parametrize(("count", "line"), COUNTED.items())
def test_syllables(count: int, line: str) -> None:
    for word in line.split():
        assert syllables(word) == syllables(word.upper()) == syllables(f"{word}'s") == count, word


def test_a_reading_grade_by_hand() -> None:
    # 16 words of one syllable, in 2 sentences.
    text = "You can come at ten [1]. Bring the card and call us if you need more help."
    assert reading_grade(text) == pytest.approx(0.39 * 16 / 2 + 11.8 * 16 / 16 - 15.59)


def test_numbers_and_list_marks_do_not_change_the_grade() -> None:
    assert reading_grade("- Call us at 555-0100 [2].") == reading_grade("Call us at.")


def test_harder_text_has_a_higher_grade() -> None:
    easy = reading_grade("You can eat until midnight. Then stop.")
    hard = reading_grade(
        "Preoperative patients must discontinue oral consumption of nutritional substances at midnight."
    )
    assert easy is not None and hard is not None and easy + 5 < hard


@pytest.mark.parametrize("text", ["", "[1]", "555-0100", "\n- \n"])
def test_without_words_there_is_no_grade(text: str) -> None:
    assert reading_grade(text) is None


def test_length_counts_numbers_and_no_citations() -> None:
    assert length("Call 555-0100 before 8 p.m. [1].") == 6


def test_you_form() -> None:
    assert you_form("You can come. Your card is needed. The young visit. Call us.") == pytest.approx(2 / 4)
    assert you_form("[1]") is None


def test_required_parts() -> None:
    parts = [re.compile(r"\[\d\]"), re.compile(r"\b555-\d{4}\b")]
    assert required_parts("Come at ten [1].", parts) == 0.5
    assert required_parts("anything", []) == 1.0


def test_on_style_counts_each_demand_alike() -> None:
    parts = [re.compile(r"\[\d\]"), re.compile(r"(?i)\bcall\b")]
    assert on_style("Call the desk [1].", 8, 90, parts) == 0.8, "simple, short, both parts; no you"
    assert on_style("You can come at ten [1]. Then call us.", 8, 90, parts) == 1
    assert on_style("You can come at ten.", 8, 3, parts) == pytest.approx(2 / 5), "too long, no part"
    assert on_style("[1]", 8, 90, parts) is None


@given(st.text())
def test_no_text_makes_a_value_that_is_not_a_number(text: str) -> None:
    for value in (reading_grade(text), you_form(text)):
        assert value is None or math.isfinite(value)
