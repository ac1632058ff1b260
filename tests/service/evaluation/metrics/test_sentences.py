"""Sentences of answers as the house writes them."""

import pytest

from service.evaluation.metrics.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Come at ten [1]. Bring a card.", ["Come at ten [1].", "Bring a card."]),
        ("Come at ten. [1] [2] Bring a card.", ["Come at ten. [1] [2]", "Bring a card."]),
        ("Open from 10 a.m. to 8 p.m. [1]. Call.", ["Open from 10 am to 8 p.m. [1].", "Call."]),
        ("Open until 8 p.m. Monday to Friday.", ["Open until 8 pm Monday to Friday."]),
        ("Open until 8 p.m. [1] Call us.", ["Open until 8 p.m. [1]", "Call us."]),
        ("We close at 8 p.m. Please leave.", ["We close at 8 p.m.", "Please leave."]),
        ("Ask Dr. Lee. Or St. Anne.", ["Ask Dr Lee.", "Or St Anne."]),
        ('He said "Go!" Then he left.', ['He said "Go!"', "Then he left."]),
        ("Bring:\n- a card\n2. your referral", ["Bring:", "a card", "your referral"]),
        ("  [1]. \n", []),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected
