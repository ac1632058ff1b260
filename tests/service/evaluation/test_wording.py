import pytest

from service.evaluation import wording
from service.evaluation.grid import Change
from service.evaluation.paired import Interval


@pytest.mark.parametrize(
    ("metric", "number", "text"),
    [
        ("right", 0.4567, "45.7%"),
        ("right", None, "–"),
        ("words", 41.26, "41.3"),
        ("milliseconds", 12345.6, "12,346"),
    ],
)
def test_a_mean_in_its_unit(metric: str, number: float | None, text: str) -> None:
    assert wording.value(metric, number) == text


def test_a_change_of_a_share_is_in_points() -> None:
    assert wording.effect("right", Change(0.123, Interval(-0.01, 0.25), 9)) == "+12.3 (-1.0 to +25.0)"
    assert wording.unit("right") == "points"


def test_another_change_is_in_its_unit() -> None:
    assert wording.effect("words", Change(-3.0, None, 1)) == "-3.0 (–)"
    assert wording.unit("words") == "words"


@pytest.mark.parametrize(("p", "text"), [(None, "–"), (0.0002, "< 0.001"), (0.0416, "0.042")])
def test_a_chance(p: float | None, text: str) -> None:
    assert wording.chance(p) == text
