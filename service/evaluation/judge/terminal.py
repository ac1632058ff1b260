"""A judge's section for the terminal: how far to trust it comes first."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from service.evaluation import wording
from service.evaluation.judge import wording as words
from service.evaluation.judge.compared import Compared
from service.evaluation.judge.section import JudgeSection
from service.evaluation.tables import table


def judge_parts(judge: JudgeSection) -> Iterator[RenderableType]:
    yield Text(f"A judge's opinion ({judge.model}, {judge.prompt}, hash {judge.prompt_sha256[:12]})", style="bold")
    yield Text(judge.trust, style="yellow")
    yield Text(words.made(judge))
    yield agreement_table(judge)
    yield Text(words.steadiness(judge.steadiness))
    yield Text(words.length(judge.length))
    for one in judge.compared:
        yield verdicts_table(one)
    yield layers_table(judge)
    yield disagreements_table(judge)


def agreement_table(judge: JudgeSection) -> Table:
    rows = (
        (
            words.label(one.metric),
            one.estimate.measure,
            words.agreement(one.estimate),
            one.estimate.answers,
            one.estimate.groups,
        )
        for one in judge.compared
    )
    heads = ("Metric", "Measure", "Agreement (95 % interval)", "Answers", "Documents")
    return table("The judge beside the metrics: 1 is full agreement, 0 is chance", heads, rows)


def verdicts_table(one: Compared) -> Table:
    title = f"What the judge says (rows), and {words.label(one.metric)} (columns), in answers"
    rows = [
        *((row.verdict, *row.counts) for row in one.rows),
        *((f"no verdict: {reason}", count) for reason, count in one.unjudged.items()),
    ]
    return table(title, ("Judge", *one.columns), rows)


def layers_table(judge: JudgeSection) -> Table:
    rows = (
        (one.name, wording.effect("right", one.judged), wording.effect("right", one.scored), one.judged.questions)
        for one in judge.layers
    )
    heads = ("Layer", "By the judge", "By the metric", "Questions")
    return table("Effects on right answers, in points, over questions judged in every combination", heads, rows)


def disagreements_table(judge: JudgeSection) -> Table:
    rows = (
        (
            one.question,
            one.answer,
            one.gold or "(to refuse)",
            words.verdicts(one.verdicts),
            words.share(one.scored),
        )
        for one in judge.disagreements
    )
    heads = ("Question", "Answer", "Right would be", "Judge", "Metric")
    return table("Where judge and metric are furthest apart", heads, rows)
