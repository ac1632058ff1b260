"""The figures of experiments that ran together as people read them, the same in the terminal and on the page."""

from collections.abc import Iterator

from service.experiments.cells import CellsReport
from service.experiments.interactions import Interaction
from service.experiments.main_effects import MainEffect
from service.experiments.wording import count, mixed_sentences

Effect = MainEffect | Interaction

COUNTED = (
    "A user counts once, with the mean over all answers in that time, without CUPED. A cell's interval is for "
    "itself; those of the layers' effects are right together, and those of the interactions (Bonferroni)."
)


def named_effects(report: CellsReport) -> Iterator[tuple[str, Effect]]:
    """Each layer's own first, then those of two together."""
    layers = dict(zip(report.experiments, report.factors, strict=True))
    for one in report.main_effects:
        yield f"{layers[one.experiment]}: {one.arm}", one
    for both in report.interactions:
        parts = (f"{layers[key]} {arm}" for key, arm in zip(both.experiments, both.arms, strict=True))
        yield " × ".join(parts), both


def members_sentences(report: CellsReport) -> Iterator[str]:
    """Who counts, and who was left out."""
    met, left_out = count(report.units, "user"), count(report.left_out, "user")
    yield (
        f"{met} met all of {', '.join(report.experiments)}, in the {report.days:.1f} days that "
        f"they ran together. Left out: {left_out} who met only some of them, or at another time."
    )
    if report.crossed:
        yield f"Seen under two arms of one experiment, counted nowhere: {count(report.crossed, 'user')}."


def doubt_sentences(report: CellsReport) -> Iterator[str]:
    """Why effects cannot be told from one another, or are of more than one thing."""
    named = zip(report.factors, report.makers, strict=False)
    yield from mixed_sentences((f"{factor} {arm}", made) for factor, arms in named for arm, made in arms.items())
    if report.same_seed:
        keys = ", ".join(report.same_seed)
        yield f"One seed for {keys}: their arms go together, and no effect can be told from another."
