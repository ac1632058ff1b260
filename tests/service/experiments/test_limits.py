from dataclasses import replace

import pytest

from service.experiments.assign import Arm
from service.experiments.limits import ALWAYS, limits
from service.experiments.report import report_of
from service.outcomes import ExposedOutcome
from tests.service.experiments.small_experiment import EXPERIMENT, answer, study

LONG = [replace(one, escalated=one.unit.endswith("7")) for one in study(400, {"old": 0.5, "new": 0.5})]
FULL = [replace(one, follow_up_needed=one.unit.endswith("3")) for one in LONG]


def told(outcomes: list[ExposedOutcome]) -> list[str]:
    return limits(report_of(EXPERIMENT, outcomes, {}))


def test_a_long_full_experiment_has_only_the_limits_of_all() -> None:
    assert told(FULL) == list(ALWAYS)


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (study(400, {"old": 0.5, "new": 0.5}, days=6), "Less than a whole week"),
        (FULL[:420], "Below 30 users"),
        ([*FULL, answer("ann", "old"), answer("ann", "new")], "1 user seen under two arms"),
        (LONG, "by the rule of three"),
        (
            [*FULL, replace(FULL[0], unit="x", made_by="a"), replace(FULL[0], unit="y", made_by="b")],
            "stood, one after",
        ),
    ],
)
def test_what_an_experiment_lacks_is_said(outcomes: list[ExposedOutcome], said: str) -> None:
    assert any(said in sentence for sentence in told(outcomes))


def test_a_later_bucket_version_says_that_it_counts_alone() -> None:
    later = limits(report_of(replace(EXPERIMENT, bucket_version=2), FULL, {}))
    assert next(one for one in later if one not in ALWAYS).startswith("Counted is bucket version 2 only")


def test_several_arms_share_what_may_be_wrong() -> None:
    three = replace(EXPERIMENT, arms=(*EXPERIMENT.arms, Arm("newer", "on", 0.0)))
    assert any("2 arms against one control" in sentence for sentence in limits(report_of(three, FULL, {})))
