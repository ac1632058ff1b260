"""An interleaved experiment's report as one page for people: which search to keep, the lead, and its limits."""

from collections.abc import Iterator
from pathlib import Path

from service.evaluation.report_page import page_of
from service.experiments import wording
from service.experiments.assign import Experiment
from service.experiments.plots import Row, forest
from service.experiments.preference import FEWEST_ANSWERS, PreferenceReport
from service.experiments.preference_wording import notes
from service.experiments.report_page import row, told

TEMPLATE = Path(__file__).with_name("preference.html.jinja")


def as_page(experiment: Experiment, report: PreferenceReport) -> str:
    """Everything that is text is escaped."""
    leads = list(lead_rows(report))
    return page_of(TEMPLATE).render(
        experiment=experiment,
        report=report,
        leads=forest(leads, experiment.smallest_effect),
        leads_told=told(leads),
        fewest=FEWEST_ANSWERS,
        notes=notes(report),
        words=wording,
    )


def lead_rows(report: PreferenceReport) -> Iterator[Row]:
    """One, or none before there is enough to tell."""
    if report.lead is not None and report.always_valid:
        yield row(f"lead of {report.sides[1].name}, at any look", "any", report.lead, report.always_valid)
