"""A judge's section as people read it, the same in the terminal and on the page."""

from service.evaluation.judge.agreement import Estimate
from service.evaluation.judge.compared import Length, Steadiness
from service.evaluation.judge.section import JudgeSection
from service.evaluation.metrics.catalogue import METRICS
from service.evaluation.wording import NONE, value


def agreement(estimate: Estimate) -> str:
    """With its interval, and what is missing of it."""
    if estimate.value is None:
        return f"none: {estimate.missing}"
    if estimate.interval is None:
        return f"{estimate.value:+.2f} ({estimate.missing})"
    return f"{estimate.value:+.2f} ({estimate.interval.low:+.2f} to {estimate.interval.high:+.2f})"


def label(metric: str) -> str:
    return METRICS[metric].label


def made(judge: JudgeSection) -> str:
    """How much was judged, by what, and what could not be used."""
    others = [name for name in judge.answered_as if name != judge.model]
    named = f"{judge.model} (it calls itself {', '.join(others)})" if others else judge.model
    failed = "".join(f" {count} could not be used: {reason}." for reason, count in judge.failed.items())
    return (
        f"{judge.answers} answers were judged by {named} at {', '.join(judge.endpoints)}, each with the choices in "
        f"both orders: {judge.replies} replies, {tokens(judge)}.{failed}"
    )


def tokens(judge: JudgeSection) -> str:
    counted = judge.tokens
    if not counted.replies:
        return "which say nothing of their tokens"
    return f"{counted.prompt:,} tokens read and {counted.completion:,} written"


def steadiness(steady: Steadiness) -> str:
    if steady.same is None:
        return "Whether the order of the choices matters to it is not known: nothing was judged both ways."
    return (
        f"With the choices in the other order it says the same of {steady.same:.0%} of the answers, "
        f"{steady.estimate.measure} {agreement(steady.estimate)}."
    )


def length(found: Length) -> str:
    return (
        f"Longer answers: with the number of words the judge's verdicts go by {agreement(found.judged)}, the "
        f"metric's by {agreement(found.scored)} ({found.judged.measure}). If the judge's is clearly higher, it "
        "likes length."
    )


def share(number: float | None) -> str:
    return NONE if number is None else value("right", number)


def verdicts(labels: tuple[str, str]) -> str:
    first, second = labels
    return first if first == second else f"{first}, and {second} with the choices turned round"
