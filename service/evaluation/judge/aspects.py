"""What a judge is asked of an answer, each aspect in named steps, and how its reply is read: strictly."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Aspect = Literal["refuses", "right", "supported"]
# In which order the steps are offered: a judge may prefer what stands first, so it is asked both ways.
Order = Literal["best first", "worst first"]
ORDERS: tuple[Order, ...] = ("best first", "worst first")

NOT_JSON = "the reply is not JSON"
OTHER_FORM = "the reply has not the form that was asked for"


@dataclass(frozen=True, slots=True)
class Step:
    """`value` runs from 0 to 1; `meaning` is what the judge reads."""

    label: str
    value: float
    meaning: str


ASPECTS: Mapping[Aspect, tuple[Step, ...]] = {
    "refuses": (
        Step("yes", 1.0, "it says that it cannot answer or does not know, and gives no answer"),
        Step("no", 0.0, "it gives an answer, good or bad"),
    ),
    "right": (
        Step("right", 1.0, "it says all that the right answer says, and nothing against it"),
        Step("mostly right", 2 / 3, "it says the main point of the right answer, but something is missing"),
        Step("mostly wrong", 1 / 3, "it says a part of the right answer, but not the main point"),
        Step("wrong", 0.0, "it says nothing of the right answer, or the opposite, or it gives no answer"),
    ),
    "supported": (
        Step("every sentence", 1.0, "the sources say what every sentence says"),
        Step("most sentences", 2 / 3, "a smaller part is not in the sources"),
        Step("few sentences", 1 / 3, "the larger part is not in the sources"),
        Step("no sentence", 0.0, "nothing of it is in the sources"),
    ),
}


def offered(aspect: Aspect, order: Order) -> tuple[Step, ...]:
    return ASPECTS[aspect] if order == "best first" else ASPECTS[aspect][::-1]


def value_of(aspect: Aspect, label: str) -> float:
    return next(step.value for step in ASPECTS[aspect] if step.label == label)


def reply_schema(asked: Sequence[Aspect], order: Order) -> dict[str, Any]:
    """The JSON schema of a reply, as OpenAI's strict mode takes it: every property required, no others."""
    properties = {
        aspect: {"type": "string", "enum": [step.label for step in offered(aspect, order)]} for aspect in asked
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(asked),
        "additionalProperties": False,
    }


def read_reply(text: str, asked: Sequence[Aspect]) -> dict[Aspect, str] | str:
    """A step's label for each aspect; or why there is none. Nothing is repaired or guessed."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return NOT_JSON
    if not isinstance(found, dict) or found.keys() != set(asked):
        return OTHER_FORM
    labels = {aspect: [step.label for step in ASPECTS[aspect]] for aspect in asked}
    return found if all(found[aspect] in labels[aspect] for aspect in asked) else OTHER_FORM
