"""Citation scores worked by hand: passage 1 holds the hours, passage 2 the phone, passage 3 something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.metrics.citations import CitationScores, citation_scores, right_citation

PASSAGES = ["You can visit from 10 a.m. to 8 p.m.", "Call the desk at 555-0100.", "Parking costs four dollars."]


@pytest.mark.parametrize(
    ("answer", "recall", "precision"),
    [
        ("You can visit from 10 a.m. to 8 p.m. [1]. Call 555-0100 [2].", 1.0, 1.0),
        ("You can visit from 10 a.m. to 8 p.m. [1]. Call 555-0100.", 0.5, 1.0),
        ("You can visit from 10 a.m. to 9 p.m. [1].", 0.0, 0.0),
        ("Visit to 8 p.m. [1] [3].", 1.0, 0.5),
        ("Visit from 10 a.m. to 8 p.m., call 555-0100 [1] [2].", 1.0, 1.0),
        ("Call 555-0100 [2] [9].", 1.0, 0.5),
        ("Call 555-0100 [0].", 0.0, 0.0),
        ("Call 555-0100.", 0.0, None),
        ("", None, None),
    ],
)
def test_citations(answer: str, recall: float | None, precision: float | None) -> None:
    assert citation_scores(answer, PASSAGES) == CitationScores(recall, precision)


def test_the_threshold_is_the_share_of_supported_tokens() -> None:
    answer = "Parking costs four shiny dollars [3]."
    assert citation_scores(answer, PASSAGES, threshold=0.8).recall == 1.0
    assert citation_scores(answer, PASSAGES, threshold=0.9).recall == 0.0


def test_one_wrong_source_makes_the_citation_wrong() -> None:
    assert right_citation(["a.md"], ["a.md", "b.md"])
    assert not right_citation(["a.md", "c.md"], ["a.md"])
    assert not right_citation([], ["a.md"])


@given(st.text(), st.lists(st.text(), max_size=3))
def test_scores_are_shares_or_none(answer: str, passages: list[str]) -> None:
    scores = citation_scores(answer, passages)
    for value in (scores.recall, scores.precision):
        assert value is None or 0 <= value <= 1
