"""Calibration: from how sure something is to how often it is right."""

import random

import pytest

from adapters.decisions.calibration import Calibration, Origin, calibrated, expected_calibration_error


def test_one_that_is_always_too_sure_is_brought_to_how_often_it_is_right() -> None:
    right = [number % 10 < 6 for number in range(200)]
    calibration = calibrated([0.999] * 200, right)
    assert calibration.probability(0.999) == pytest.approx(0.6, abs=0.02)


def test_calibrated_probabilities_have_a_small_error() -> None:
    chance = random.Random(1)
    truth = [chance.uniform(0.4, 1) for _ in range(3000)]
    right = [chance.random() < one for one in truth]
    said = [one**4 for one in truth]
    calibration = calibrated(said, right)
    after = [calibration.probability(one) for one in said]
    assert expected_calibration_error(said, right) > 0.2
    assert expected_calibration_error(after, right) < 0.05


def test_one_that_is_surer_where_it_is_wrong_gets_the_same_probability_everywhere() -> None:
    calibration = calibrated([0.9] * 50 + [0.6] * 50, [False] * 40 + [True] * 60)
    assert calibration.slope == 0
    assert calibration.probability(0.9) == calibration.probability(0.6) == pytest.approx(0.6, abs=0.01)


def test_certainty_stays_finite() -> None:
    calibration = calibrated([1.0, 1.0, 0.5, 0.0], [True, True, False, False])
    assert 0 < calibration.probability(0.0) < calibration.probability(1.0) < 1


def test_a_steep_one_says_never_and_always_instead_of_overflowing() -> None:
    steep = Calibration(slope=300, intercept=-800, records=200)
    assert (steep.probability(1e-6), steep.probability(1 - 1e-6)) == (0, 1)


def test_the_error_of_bins() -> None:
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0
    assert expected_calibration_error([0.8] * 5, [True] * 4 + [False]) == pytest.approx(0)
    assert expected_calibration_error([0.8] * 5, [False] * 5) == pytest.approx(0.8)


@pytest.mark.parametrize("name", Origin.model_fields)
def test_a_calibration_holds_for_all_that_decided_and_nothing_else(name: str) -> None:
    origin = Origin(engine="torch", base="b", prompt_sha256="p", policy_sha256="y", records_sha256="r")
    calibration = calibrated([0.9] * 60, [True] * 60, origin)
    assert calibration.holds_for(origin)
    assert not calibration.holds_for(origin.model_copy(update={name: "another"}))
