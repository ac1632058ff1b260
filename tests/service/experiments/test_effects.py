from dataclasses import replace

import numpy as np
import pytest

from service.experiments.assign import Arm
from service.experiments.effects import arm_alpha, effect_of, effects_of, find
from service.experiments.units import METRICS
from tests.service.experiments.small_experiment import EXPERIMENT

THREE = replace(EXPERIMENT, arms=(*EXPERIMENT.arms, Arm("newer", "on", 0.0)))


def test_every_arm_but_the_control_has_an_effect_on_every_metric() -> None:
    values = {metric: {arm.name: np.zeros(40) for arm in THREE.arms} for metric in METRICS}
    values["rating"]["newer"] = np.tile([0.0, 1.0], 20)
    found = effects_of(THREE, values)
    assert [(one.arm, one.metric) for one in found] == [(arm, m) for arm in ("new", "newer") for m in METRICS]
    assert find(found, "newer", "rating").difference == 0.5
    assert find(found, "new", "rating").always_valid is None, "all alike"


def test_arms_share_the_errors() -> None:
    assert (arm_alpha(EXPERIMENT), arm_alpha(THREE)) == (0.05, 0.025)


def test_the_interval_for_any_look_is_wider_than_that_for_one() -> None:
    ratings = np.tile([-1.0, 1.0], 50)
    found = effect_of("new", "rating", ratings, ratings + 0.25, 1000, 0.05)
    assert found.always_valid and found.fixed
    assert found.always_valid.low < found.fixed.low < 0.25 < found.fixed.high < found.always_valid.high


@pytest.mark.parametrize(("users", "difference"), [(1, None), (10, 1.0)])
def test_too_few_users_have_no_interval(users: int, difference: float | None) -> None:
    found = effect_of("new", "rating", np.zeros(users), np.ones(users), 1000, 0.05)
    assert (found.difference, found.always_valid, found.fixed) == (difference, None, None)
