"""A report as one page for people: no network, no script, light and dark, wide and narrow."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from service.evaluation import wording
from service.evaluation.combinations import told_costs
from service.evaluation.effects import Effect
from service.evaluation.forest import Forest, forest
from service.evaluation.judge import wording as judging
from service.evaluation.metrics.catalogue import COSTS, METRICS
from service.evaluation.report import Report
from service.plan import FACTORS

TEMPLATE = "report.html.jinja"
CHANGED = tuple(metric for metric in METRICS if metric not in ("right", *COSTS))
SCORED = (
    "right",
    "answer_recall",
    "k_precision",
    "right_citation",
    "answered",
    "refused",
    "on_style",
    "style_likeness",
)
VERDICTS = {"keep": "Keep", "drop": "Drop", "more": "Undecided"}


def as_page(report: Report) -> str:
    """Everything that is text is escaped; what the text of answers says never becomes markup."""
    return page_of(Path(__file__).with_name(TEMPLATE)).render(
        report=report,
        goal=report.design.goal.metric,
        forest=drawn(report),
        metrics=METRICS,
        factors=FACTORS,
        scored=SCORED,
        changed=CHANGED,
        costs=told_costs(report.combinations),
        verdicts=VERDICTS,
        words=wording,
        judging=judging,
    )


def page_of(template: Path) -> Template:
    """A page's template, which may include the style sheet beside this file; what is put into it is escaped."""
    environment = Environment(
        loader=FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name)


def drawn(report: Report) -> Forest:
    useful = {getattr(report.design.goal.smallest_useful, factor) for factor in FACTORS}
    return forest(named_effects(report), useful.pop() if len(useful) == 1 else None)


def named_effects(report: Report) -> list[tuple[str, Effect]]:
    layers = [(layer.name, layer.effect) for layer in report.layers]
    return [*layers, *((effect.name, effect) for effect in report.interactions)]
