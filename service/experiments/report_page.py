"""An experiment's report as one page for people: no network, no script, light and dark, wide and narrow."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from service.evaluation.report_page import page_of
from service.experiments import wording
from service.experiments.assign import Experiment
from service.experiments.course import Look, course_of
from service.experiments.limits import limits
from service.experiments.past import past_sentence
from service.experiments.plots import Row, band, drawable, forest
from service.experiments.report import ExperimentReport
from service.experiments.sequential import SRM_ALARM, TestedInterval
from service.experiments.units import GOAL, METRICS
from service.outcomes import ExposedOutcome

TEMPLATE = Path(__file__).with_name("report.html.jinja")
COLOURS = {"ship": "keep", "roll back": "drop", "go on": "more", "check": "drop"}
STATES = {"holds": "keep", "harmed": "drop", "open": "more"}


def as_page(
    experiment: Experiment,
    report: ExperimentReport,
    outcomes: Sequence[ExposedOutcome],
    before: Mapping[str, float],
) -> str:
    """`outcomes` and `before` are what the report was made of. Everything that is text is escaped."""
    ratings, losses = list(rating_rows(report)), list(guardrail_rows(report))
    least = experiment.smallest_effect
    courses = {arm.name: course_of(experiment, arm.name, outcomes, before) for arm in experiment.arms[1:]}
    return page_of(TEMPLATE).render(
        experiment=experiment,
        report=report,
        goal=GOAL,
        metrics=METRICS,
        ratings=forest(ratings, least),
        ratings_told=told(ratings),
        losses=forest(losses, least),
        losses_told=told(losses),
        courses={arm: (looks, band(looks, least), course_told(looks)) for arm, looks in courses.items()},
        alarm=report.srm_p < SRM_ALARM,
        past=past_sentence(report.with_past, report.units, report.explained),
        limits=limits(report),
        colours=COLOURS,
        states=STATES,
        words=wording,
    )


def rating_rows(report: ExperimentReport) -> Iterator[Row]:
    """Two for each arm: the interval for any look, and that for one. None before there is enough to tell."""
    for one in report.effects:
        if one.metric == GOAL and one.difference is not None and one.always_valid and one.fixed:
            yield row(f"{one.arm}, at any look", "any", one.difference, one.always_valid)
            yield row(f"{one.arm}, at one look", "one", one.difference, one.fixed)


def row(name: str, kind: str, value: float, interval: TestedInterval) -> Row:
    return Row(name, kind, interval.low, value, interval.high)


def guardrail_rows(report: ExperimentReport) -> Iterator[Row]:
    for one in report.guardrails:
        if one.bound is not None and one.difference is not None:
            low, high = one.bound
            yield Row(f"{one.arm}, {wording.UNITS[one.metric]}", one.state, low, one.difference, high)


def told(rows: Sequence[Row]) -> str:
    """What a forest plot shows, for who does not see it."""
    return " ".join(f"{one.name}: {one.value:+.3f}, from {one.low:+.3f} to {one.high:+.3f}." for one in rows)


def course_told(looks: Sequence[Look]) -> str:
    """What the plot of a course shows, for who does not see it."""
    seen = list(drawable(looks))
    if not seen:
        return "Too few users for an interval yet."
    (first, early), (last, late) = seen[0], seen[-1]
    return (
        f"Change of the rating: on day {first} {early.value:+.3f}, from {early.low:+.3f} to {early.high:+.3f}; "
        f"on day {last} {late.value:+.3f}, from {late.low:+.3f} to {late.high:+.3f}."
    )
