import pytest

from service.experiments import sequential
from service.experiments.guardrails import bound_of, guardrail_of
from service.experiments.verdict import MetricEffect


def escalated(difference: float | None, *interval: float) -> MetricEffect:
    tested = sequential.TestedInterval(interval[0], interval[1], 0.5) if interval else None
    return MetricEffect("new", "escalated", difference, tested, None)


@pytest.mark.parametrize(
    ("effect", "state"),
    [
        (escalated(0.01, -0.02, 0.04), "holds"),
        (escalated(0.04, -0.02, 0.1), "open"),
        (escalated(0.1, 0.06, 0.14), "harmed"),
        (escalated(None), "open"),
    ],
)
def test_a_loss_is_within_the_margin_beyond_it_or_open(effect: MetricEffect, state: str) -> None:
    found = guardrail_of(effect, 100, 100, 0.05)
    assert (found.arm, found.metric, found.margin, found.state) == ("new", "escalated", 0.05, state)


def test_where_no_user_differs_three_in_n_still_may() -> None:
    assert bound_of(escalated(0.0), 300, 150) == pytest.approx((-0.03, 0.03))
    assert bound_of(escalated(0.0), 300, 29) is None
    assert guardrail_of(escalated(0.0), 300, 150, 0.05).state == "holds"
