"""Experiments that ran together as one page for people: first whether their layers depend on each other."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from service.evaluation.report_page import page_of
from service.experiments import wording
from service.experiments.assign import Experiment
from service.experiments.cells import CellsReport
from service.experiments.cells_limits import limits
from service.experiments.cells_wording import COUNTED, Effect, doubt_sentences, members_sentences, named_effects
from service.experiments.interactions import decision_at
from service.experiments.plots import Row, forest
from service.experiments.report_page import row, told
from service.experiments.sequential import SRM_ALARM
from service.experiments.units import GOAL

TEMPLATE = Path(__file__).with_name("cells.html.jinja")


def as_page(experiments: Sequence[Experiment], report: CellsReport) -> str:
    """`experiments` are those that the report is of. Everything that is text is escaped."""
    least = min(one.smallest_effect for one in experiments)
    named = list(named_effects(report))
    rows = [one for name, effect in named for one in effect_rows(name, effect)]
    return page_of(TEMPLATE).render(
        experiments=experiments,
        report=report,
        goal=GOAL,
        named=named,
        effects=forest(rows, least),
        effects_told=told(rows),
        least=least,
        decision_at=decision_at(experiments),
        members=list(members_sentences(report)),
        doubts=list(doubt_sentences(report)),
        counted=COUNTED,
        alarm=report.srm_p < SRM_ALARM,
        limits=limits(report),
        words=wording,
    )


def effect_rows(name: str, effect: Effect) -> Iterator[Row]:
    """The interval for any look, and that for one. None before there is enough to tell."""
    if effect.difference is not None and effect.always_valid and effect.fixed:
        yield row(f"{name}, at any look", "any", effect.difference, effect.always_valid)
        yield row(f"{name}, at one look", "one", effect.difference, effect.fixed)
