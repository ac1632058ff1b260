"""How far to trust a judge, in a sentence: from what it agrees with, itself included."""

from service.evaluation.judge.agreement import Estimate

# Conventions, not laws: Landis and Koch (1977) call agreement under 0.2 slight and over 0.6 substantial.
SLIGHT, SUBSTANTIAL = 0.2, 0.6
MANY_FAILED = 0.1

ALWAYS = (
    "Agreement is no proof: judge and metric can be wrong together. Before anything rests on a judge, compare it "
    "with 100 labels or more that people gave. A judge of the answering model's own family prefers its like."
)


def trust(right: Estimate, itself: Estimate, failed: float) -> str:
    """`right` is its agreement with the metric, `itself` that with itself, the choices turned round.

    `failed` is the share of replies that could not be used.
    """
    return " ".join(filter(None, (with_metric(right), with_itself(itself), unusable(failed), ALWAYS)))


def with_metric(right: Estimate) -> str:
    if right.value is None:
        return f"Do not use this judge: there is no agreement to measure on what is right; {right.missing}."
    if right.interval is None:
        agreed = f"its agreement on what is right is {right.value:+.2f} ({right.missing})"
        return f"Do not rely on this judge yet: {agreed}. Judge more questions to know it better."
    measured = f"({right.measure} {right.value:+.2f}, {right.interval.low:+.2f} to {right.interval.high:+.2f})"
    if right.interval.low >= SUBSTANTIAL:
        return f"This judge goes well with the required facts {measured}: a good second opinion."
    if right.interval.low >= SLIGHT:
        return f"This judge goes with the required facts in part {measured}: take it as a hint, no more."
    return f"Do not rely on this judge: it hardly goes with the required facts, or too few show it {measured}."


def with_itself(itself: Estimate) -> str | None:
    if itself.value is None or itself.value >= SUBSTANTIAL:
        return None
    return (
        f"It contradicts itself when the same choices stand in another order (Cohen's kappa {itself.value:+.2f}): "
        "what it says is partly where a choice stands."
    )


def unusable(failed: float) -> str | None:
    if failed <= MANY_FAILED:
        return None
    return f"{failed:.0%} of its replies could not be used; the others need not be like them."
