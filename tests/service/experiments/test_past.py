import pytest

from service.experiments.past import explained_by, past_sentence, spread_of
from service.experiments.units import by_arm, units_of
from tests.service.experiments.small_experiment import answer, study

ARMS = ["old", "new"]


def test_earlier_ratings_that_are_the_later_ones_explain_all_of_them() -> None:
    units, _ = units_of(study(100, {"old": 0.5, "new": 0.5}), ARMS)
    same = {unit.name: unit.values["rating"] for unit in units}
    assert explained_by(units, ARMS, same) == pytest.approx(1, abs=0.05)


def test_earlier_ratings_that_are_alike_explain_nothing() -> None:
    units, _ = units_of(study(100, {"old": 0.5, "new": 0.5}), ARMS)
    assert explained_by(units, ARMS, {unit.name: 1.0 for unit in units}) == 0
    assert explained_by(units, ARMS, {}) is None
    assert explained_by(units, ARMS, {"somebody else": 1.0}) is None


def test_ratings_that_are_alike_have_nothing_to_explain() -> None:
    units, _ = units_of([answer("ann", "old", "up"), answer("bob", "new", "up")], ARMS)
    assert explained_by(units, ARMS, {"ann": 1.0}) is None


def test_the_spread_is_within_the_arms() -> None:
    units, _ = units_of(
        [answer("a", "old", "up"), answer("b", "old", "down"), answer("c", "new", "up"), answer("d", "new", "up")],
        ARMS,
    )
    assert spread_of(by_arm(units, ARMS, "rating", {})) == pytest.approx(1)
    assert spread_of(by_arm([], ARMS, "rating", {})) == 0


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        (past_sentence(0, 10, None), "No user had an answer before"),
        (past_sentence(4, 10, 0.0), "which here is nothing"),
        (past_sentence(4, 10, 0.25), "4 of 10 users had answers before; their ratings are less what those"),
        (past_sentence(4, 10, 0.25), "takes 25% of the ratings' variance away"),
    ],
)
def test_the_sentence_says_what_was_done_or_why_not(sentence: str, said: str) -> None:
    assert said in sentence
