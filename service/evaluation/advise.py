"""Prompt it, retrieve for it, or fine-tune for it? A checklist of the situation, joined with what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from configs.faults import in_one_line
from configs.yaml_text import parse_yaml
from service.evaluation.decision import Verdict
from service.evaluation.layers import LayerResult
from service.plan import FACTORS, Factor

ENOUGH_EXAMPLES = 500
MANY_EXAMPLES = 1000
TRAINING_HOURS = 1.0
QUICK_MS = 500

Use = Literal["use", "not yet", "leave out"]
# What a checklist's advice and a measurement's verdict have in common.
AGREES: Mapping[Verdict, tuple[Use, ...]] = {"keep": ("use",), "drop": ("leave out", "not yet")}


class SituationError(ValueError):
    """The answers describe no situation; the message names every fault with its place."""


class Situation(BaseModel):
    """What the checklist asks. The descriptions are the questions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    examples: int = Field(ge=0, description="How many good examples of question and answer have you?")
    facts_change: Literal["daily", "weekly", "monthly", "yearly", "never"] = Field(
        description="How often do the facts in the answers change?"
    )
    cite: bool = Field(description="Must an answer name the document that it is from?")
    consistency: Literal["free", "similar", "strict"] = Field(
        description="How alike must answers be in tone and form?"
    )
    regulated: bool = Field(description="Is the data regulated (patients, money)?")
    first_token_ms: int = Field(gt=0, description="How long may a person wait for the first word, in ms?")
    training_hours: float = Field(ge=0, description="How many hours may training take, on the machine you have?")


@dataclass(frozen=True, slots=True)
class Advice:
    """For one layer: what to do, why, and what was measured, where something was."""

    layer: Factor
    use: Use
    reasons: tuple[str, ...]
    measured: str | None = None
    disagrees: bool = False


@dataclass(frozen=True, slots=True)
class Advised:
    layers: tuple[Advice, ...]
    next_steps: tuple[str, ...]


def read_situation(path: Path) -> Situation:
    """Raises SituationError."""
    try:
        return situation_of(parse_yaml(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, SituationError) as error:
        raise SituationError(f"{path} cannot be used. {error}") from error


def situation_of(answers: object) -> Situation:
    """Raises SituationError with every fault."""
    try:
        return Situation.model_validate(answers)
    except ValidationError as error:
        faults, needed = in_one_line(error, "it"), ", ".join(Situation.model_fields)
        raise SituationError(f"The answers describe no situation: {faults}. It has {needed}.") from error


def advise(situation: Situation, measured: Sequence[LayerResult] | None) -> Advised:
    """`measured` are the layers of a report, None before the first run."""
    rules = {"prompt": prompt, "retrieval": retrieval, "adapter": adapter}
    asked = [rules[factor](situation) for factor in FACTORS]
    layers = tuple(joined(one, result_for(one.layer, measured or ())) for one in asked)
    return Advised(layers, tuple(next_steps(situation, layers, measured)))


def prompt(situation: Situation) -> Advice:
    reasons = ["it costs nothing to make, and is changed in a minute"]
    if situation.consistency == "strict":
        reasons.append("a small model follows instructions only in part, though: measure what it ignores")
    return Advice("prompt", "use", tuple(reasons))


def retrieval(situation: Situation) -> Advice:
    reasons = []
    if situation.cite:
        reasons.append("only a retrieved passage can be cited")
    if situation.facts_change != "never":
        reasons.append(f"facts that change {situation.facts_change} belong in documents, not into weights")
    if situation.regulated:
        reasons.append("access labels decide a passage at a time who may read it; weights tell everybody")
    if situation.first_token_ms < QUICK_MS:
        reasons.append(f"passages make the prompt long: measure whether {situation.first_token_ms} ms hold")
    needed = situation.cite or situation.facts_change != "never"
    return Advice("retrieval", "use" if needed else "leave out", tuple(reasons or ["the facts never change"]))


def adapter(situation: Situation) -> Advice:
    if situation.consistency == "free":
        return Advice("adapter", "leave out", ("nobody asks for one tone or form, which is what it would learn",))
    if situation.examples < ENOUGH_EXAMPLES:
        missing = ENOUGH_EXAMPLES - situation.examples
        reason = f"{situation.examples} examples are too few: {missing} more are needed, {MANY_EXAMPLES} are better"
        return Advice("adapter", "not yet", (reason, "`triptych adapters harvest` makes them out of liked answers"))
    if situation.training_hours < TRAINING_HOURS:
        return Advice("adapter", "not yet", (f"training takes about {TRAINING_HOURS:g} hour on two cores",))
    reasons = [f"{situation.examples} examples are enough to learn a {situation.consistency} form"]
    if situation.facts_change != "never":
        reasons.append("it learns how to answer, not what is true: keep the facts in retrieval")
    if situation.regulated:
        reasons.append("its examples must hold no personal data: `triptych adapters check` looks for it")
    return Advice("adapter", "use", tuple(reasons))


def result_for(layer: Factor, measured: Sequence[LayerResult]) -> LayerResult | None:
    """Of several levels, the one with the highest effect."""
    found = [one for one in measured if one.factor == layer and one.against == "off"]
    return max(found, key=lambda one: one.effect.mean if one.effect.mean is not None else -1, default=None)


def joined(advice: Advice, result: LayerResult | None) -> Advice:
    if result is None:
        return advice
    agreeing = AGREES.get(result.decision.verdict)
    disagrees = agreeing is not None and advice.use not in agreeing
    told = " ".join(filter(None, (result.decision.sentence, result.caution)))
    return Advice(advice.layer, advice.use, advice.reasons, told, disagrees)


def next_steps(situation: Situation, layers: Sequence[Advice], measured: Sequence[LayerResult] | None) -> list[str]:
    if measured is None:
        return ["Nothing is measured yet: `triptych evaluate run` asks every question in every combination."]
    steps = []
    for advice, result in ((one, result_for(one.layer, measured)) for one in layers):
        if result is None:
            steps.append(f"The run says nothing of the {advice.layer} layer alone: put off and on into its design.")
        elif advice.disagrees:
            steps.append(disagreement(advice, result))
        elif result.decision.more_questions:
            steps.append(f"Ask about {result.decision.more_questions} more questions to decide on {advice.layer}.")
    if situation.regulated:
        steps.append("Before people are answered: someone who is responsible reads the answers of one whole run.")
    return steps


def disagreement(advice: Advice, result: LayerResult) -> str:
    """The measurement is of this very set-up; the checklist knows what no question set asks."""
    said = {"use": "use it", "not yet": "not yet", "leave out": "leave it out"}[advice.use]
    if result.caution:
        return (
            f"Checklist and measurement disagree on {advice.layer}: the checklist says {said}, and the measurement "
            "one thing on average, another with the other layers on. Decide on the layers together, not one by one."
        )
    return (
        f"Checklist and measurement disagree on {advice.layer}: the checklist says {said}. Believe the measurement "
        "for this model and these questions, and look whether they ask for what the checklist is about."
    )
