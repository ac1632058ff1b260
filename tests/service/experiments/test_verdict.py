import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.experiments import sequential
from service.experiments.assign import Arm, Experiment
from service.experiments.verdict import Evidence, MetricEffect, Verdict, judged, units_until

EXPERIMENT = Experiment("spring", "adapter", "s", 1.0, (Arm("old", "off", 0.5), Arm("new", "on", 0.5)))
Bounds = tuple[float, float] | None
FINE: dict[str, Bounds] = {"escalated": (-0.01, 0.02), "follow_up_needed": (-0.02, 0.01)}


def verdict(
    low: float, value: float, high: float, mismatch: bool = False, days: float = 10, **guardrails: Bounds
) -> Verdict:
    goal = MetricEffect("new", "rating", value, sequential.TestedInterval(low, high, 0.5), None)
    evidence = Evidence("new", goal, {**FINE, **guardrails}, 400, days)
    return judged(evidence, EXPERIMENT, mismatch)


@pytest.mark.parametrize(
    ("found", "said", "why"),
    [
        (verdict(0.02, 0.1, 0.18), "ship", "rated better, by +0.100 (+0.020 to +0.180)"),
        (verdict(-0.18, -0.1, -0.02), "roll back", "rated worse"),
        (verdict(-0.03, 0.0, 0.03), "roll back", "is below 0.05 for sure"),
        (verdict(-0.05, 0.05, 0.15), "go on", "the change of the rating is +0.050"),
        (verdict(0.01, 0.04, 0.07), "go on", "the change of the rating is +0.040"),
        (verdict(0.02, 0.1, 0.18, escalated=(0.06, 0.2)), "roll back", "more people who went on to a person"),
        (verdict(0.02, 0.1, 0.18, escalated=(-0.1, 0.2)), "go on", "not yet sure of people who went on"),
        (verdict(0.02, 0.1, 0.18, escalated=None), "go on", "not yet sure of people who went on"),
        (verdict(0.02, 0.1, 0.18, mismatch=True), "check", "do not fit their shares"),
    ],
)
def test_every_verdict_with_its_reason(found: Verdict, said: str, why: str) -> None:
    assert found.verdict == said
    assert why in found.sentence


def test_going_on_says_for_how_long() -> None:
    wide = verdict(-0.05, 0.05, 0.15)
    assert wide.more_units is not None and wide.more_units > 400
    assert wide.more_days == pytest.approx(wide.more_units / 40)
    assert f"about {wide.more_units} more users" in wide.sentence
    assert "days at this pace" not in verdict(-0.05, 0.05, 0.15, days=0.2).sentence


def test_what_only_an_open_guardrail_needs_is_by_its_own_range() -> None:
    open_one = verdict(0.02, 0.1, 0.18, escalated=(-0.1, 0.1))
    expected = units_until(sequential.TestedInterval(-0.1, 0.1, 0.5), 400, EXPERIMENT.decision_at, 0.05)
    assert open_one.more_units == expected


@pytest.mark.parametrize("decision_at", [500, 20_000])
def test_so_many_more_users_make_the_interval_as_narrow_as_the_smallest_effect(decision_at: int) -> None:
    more = units_until(sequential.TestedInterval(-0.1, 0.1, 0.5), 400, decision_at, 0.05)
    assert more is not None

    def half(units: float) -> float:
        width, now = (float(sequential.always_valid_width(n, decision_at)) for n in (int(units), 400))
        return 0.1 * width / now * math.sqrt(400 / units)

    assert half(400 + more) <= 0.05 < half(0.9 * (400 + more))


def test_before_thirty_units_an_arm_it_says_how_many_are_missing() -> None:
    early = Evidence("new", MetricEffect("new", "rating", 0.1, None, None), {}, 24, 2)
    found = judged(early, EXPERIMENT, mismatch=False)
    assert (found.verdict, found.more_units, found.more_days) == ("go on", 36, 3)


@given(st.floats(-1, 1), st.floats(0.001, 1), st.floats(-0.2, 0.2), st.floats(0, 0.2))
def test_nothing_ships_that_may_be_worse_or_harm(value: float, half: float, loss: float, reach: float) -> None:
    found = verdict(value - half, value, value + half, escalated=(loss - reach, loss + reach))
    if found.verdict == "ship":
        assert value - half > 0 and value >= 0.05 and loss + reach <= 0.05
