import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.house_style import HouseStyle, Learnt, StyleClassifier

LEARNT = Learnt(examples=60, documents=12, sha256="h")
CLASSIFIER = StyleClassifier({"you": 0, "the": 1}, np.array([4, -4], dtype=np.float32), 0.0)


@given(st.text(max_size=200))
def test_it_is_a_share_or_a_reason(text: str) -> None:
    found = HouseStyle(LEARNT, CLASSIFIER).likeness(text)
    assert (isinstance(found, str) and found) or (isinstance(found, float) and 0 <= found <= 1)


def test_by_hand() -> None:
    house = HouseStyle(LEARNT, CLASSIFIER)
    assert house.likeness("You come, you wait, you pay.") == pytest.approx(1 / (1 + np.exp(-4)))
    assert house.likeness("The desk tells the staff first.") == pytest.approx(1 / (1 + np.exp(4)))


def test_a_citation_is_no_word_of_it() -> None:
    assert HouseStyle(LEARNT, CLASSIFIER).likeness("You may come [1] [2].") == "under 5 words have no style"


def test_what_was_not_learnt_says_why() -> None:
    learnt = LEARNT.model_copy(update={"missing": "examples and documents sound too alike"})
    assert HouseStyle(learnt, None).likeness("You come, you wait.") == "examples and documents sound too alike"
