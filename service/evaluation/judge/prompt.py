"""The judge's prompt: one versioned template, whose hash also covers the steps that are offered."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from adapters.prompt import PromptTemplate, clean, compiled
from service.evaluation.judge.aspects import ASPECTS, Aspect, Order, offered
from service.evaluation.questions import EarlierTurn

NAME, VERSION = "judge", 1
# The template's own tags: text that has one must not end its block.
TAG = re.compile(r"<(?=\s*/?\s*(earlier|question|right_answer|sources|answer)\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Material:
    """What one answer is judged by, as plain text; `gold` and `sources` are empty if nothing is asked of them."""

    question: str
    history: tuple[EarlierTurn, ...]
    gold: str
    sources: tuple[str, ...]
    answer: str


def template() -> PromptTemplate:
    text = Path(__file__).with_name(f"{NAME}.v{VERSION}.jinja").read_text(encoding="utf-8")
    return PromptTemplate(NAME, VERSION, text)


def prompt_sha256(judge_template: PromptTemplate) -> str:
    """Of all that makes the wording: other steps under the same template are another prompt."""
    steps = {aspect: [asdict(step) for step in some] for aspect, some in ASPECTS.items()}
    return hashlib.sha256(json.dumps([judge_template.text, steps]).encode()).hexdigest()


def rendered(judge_template: PromptTemplate, material: Material, asked: Sequence[Aspect], order: Order) -> str:
    """One message: many endpoints take no system turn."""
    choices = {aspect: offered(aspect, order) for aspect in asked}
    history = [EarlierTurn(question=text(one.question), answer=text(one.answer)) for one in material.history]
    return (
        compiled(judge_template)
        .render(
            question=text(material.question),
            history=history,
            gold=text(material.gold),
            sources=[text(source) for source in material.sources],
            answer=text(material.answer),
            asked=asked,
            choices=choices,
            # Any step would be a hint; the form needs none.
            example=json.dumps(dict.fromkeys(asked, "...")),
        )
        .strip()
    )


def text(written: str) -> str:
    """What people, documents and models wrote, without a chat template's tokens and without our own tags."""
    return TAG.sub("(", clean(written))
