"""Metrics on cases worked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.metrics.text import (
    answer_recall,
    facts_found,
    k_coverage,
    k_precision,
    rouge_l,
    token_f1,
    tokens,
)


def test_tokens_are_compared_without_case_punctuation_articles_and_citations() -> None:
    assert tokens("The ward is open from 10 a.m. to 8 p.m. [2].") == [
        "ward",
        "is",
        "open",
        "from",
        "10",
        "am",
        "to",
        "8",
        "pm",
    ]


@pytest.mark.parametrize(
    ("answer", "gold", "recall"),
    [
        ("You can visit from ten to eight [1].", "from ten to eight", 1.0),
        ("You can visit until eight.", "from ten to eight", 0.25),
        ("two two", "two two two two", 0.5),
        ("", "ten", 0.0),
        ("anything", "", 1.0),
    ],
)
def test_answer_recall(answer: str, gold: str, recall: float) -> None:
    assert answer_recall(answer, gold) == recall


def test_k_precision_counts_what_the_passages_hold() -> None:
    assert k_precision("Open until eight [1].", ["We are open", "until nine"]) == pytest.approx(2 / 3)
    assert k_precision("[1]", ["text"]) is None


def test_facts_are_found_as_whole_words_in_a_row() -> None:
    assert facts_found("Call 555-0142 before 8 p.m.", ["555-0142", "8 p.m."]) == 1.0
    assert facts_found("Call 555-01421 before 18 p.m.", ["555-0142", "8 p.m."]) == 0.0


@pytest.mark.parametrize(
    ("answer", "gold", "f1", "rouge"),
    [
        ("open until eight [1].", "open until nine", 2 / 3, 2 / 3),
        ("eight until open", "open until eight", 1.0, 1 / 3),
        ("two two three", "two two two", 2 / 3, 2 / 3),
        ("police killed the gunman", "police kill the gunman", 2 / 3, 2 / 3),
        ("", "ten", 0.0, 0.0),
        ("[1]", "the", 1.0, 1.0),
    ],
)
def test_token_f1_ignores_the_order_and_rouge_l_does_not(answer: str, gold: str, f1: float, rouge: float) -> None:
    assert token_f1(answer, gold) == pytest.approx(f1)
    assert rouge_l(answer, gold) == pytest.approx(rouge)


def test_coverage_asks_only_for_what_the_passages_hold() -> None:
    passages = ["Visits end at eight.", "Bring a card."]
    assert k_coverage("Visits end.", "Visits end at eight on floor nine.", passages) == pytest.approx(2 / 4)
    assert k_coverage("Eight.", "floor nine", passages) is None


@given(st.text(), st.text())
def test_shares_stay_between_0_and_1(answer: str, other: str) -> None:
    assert 0 <= answer_recall(answer, other) <= 1
    assert 0 <= (k_precision(answer, [other]) or 0) <= 1


@given(st.text(min_size=1))
def test_a_copy_of_a_passage_is_faithful(text: str) -> None:
    assert k_precision(text, [text]) in (1.0, None)


@given(st.text(), st.text())
def test_overlap_is_symmetric_and_order_only_costs(answer: str, gold: str) -> None:
    assert token_f1(answer, gold) == token_f1(gold, answer)
    assert 0 <= rouge_l(answer, gold) <= token_f1(answer, gold) <= 1
