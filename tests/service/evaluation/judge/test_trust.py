import pytest

from service.evaluation.judge.agreement import FIRST_CONSTANT, GRADED, YES_NO, Estimate, Measure
from service.evaluation.judge.trust import ALWAYS, trust
from service.evaluation.paired import Interval


def found(value: float | None, low: float | None = None, measure: Measure = GRADED) -> Estimate:
    interval = None if value is None or low is None else Interval(low, 2 * value - low)
    return Estimate(measure, value, interval, 80, 40, None if interval else FIRST_CONSTANT)


STEADY = found(0.9, 0.8, YES_NO)


@pytest.mark.parametrize(
    ("right", "words"),
    [
        (found(0.8, 0.7), "a good second opinion"),
        (found(0.5, 0.3), "take it as a hint, no more"),
        (found(0.7, 0.5), "take it as a hint, no more"),
        (found(0.5, 0.1), "Do not rely on this judge"),
        (found(-0.5, -0.7), "Do not rely on this judge"),
        (found(0.5), "Do not rely on this judge yet"),
        (
            found(None),
            f"Do not use this judge: there is no agreement to measure on what is right; {FIRST_CONSTANT}.",
        ),
    ],
)
def test_what_it_agrees_with_decides(right: Estimate, words: str) -> None:
    sentence = trust(right, STEADY, 0.0)
    assert words in sentence and sentence.endswith(ALWAYS)


def test_a_judge_that_goes_by_the_place_of_a_choice_is_told() -> None:
    assert "contradicts itself" in trust(found(0.8, 0.7), found(0.1, 0.0, YES_NO), 0.0)
    assert "contradicts itself" not in trust(found(0.8, 0.7), STEADY, 0.0)


def test_many_bad_replies_are_told() -> None:
    assert "40% of its replies could not be used" in trust(found(0.8, 0.7), STEADY, 0.4)
    assert "could not be used" not in trust(found(0.8, 0.7), STEADY, 0.05)
