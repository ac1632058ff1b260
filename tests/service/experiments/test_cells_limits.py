from dataclasses import replace

import pytest

from service.experiments.assign import Arm, Experiment
from service.experiments.cells import cells_of
from service.experiments.cells_limits import ALWAYS, limits
from tests.service.experiments.small_experiment import crossed_experiments, crossed_study

EXPERIMENTS = crossed_experiments()
FOUR = {(prompt, adapter): 0.5 for prompt in ("long", "short") for adapter in ("old", "new")}
FULL = cells_of(EXPERIMENTS, crossed_study(60, FOUR))


def test_a_long_full_study_has_only_the_limits_of_all() -> None:
    assert limits(FULL) == list(ALWAYS)


@pytest.mark.parametrize(
    ("users", "days", "said"), [(60, 6.9, "Less than a whole week"), (29, 19.0, "Below 30 users in a combination")]
)
def test_what_a_study_lacks_is_said_first(users: int, days: float, said: str) -> None:
    found = replace(cells_of(EXPERIMENTS, crossed_study(users, FOUR)), days=days)
    assert limits(found)[0].startswith(said)


def test_three_layers_together_are_not_tested() -> None:
    arms = (Arm("none", "off", 0.5), Arm("hybrid", "on", 0.5))
    three = [*EXPERIMENTS, Experiment("may", "retrieval", "r", 1.0, arms)]
    found = cells_of(three, {**crossed_study(60, FOUR), "may": []})
    assert any("three layers together" in sentence for sentence in limits(found))
    assert not any("three layers together" in sentence for sentence in limits(FULL))
