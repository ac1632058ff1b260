"""An adapter's card as one page for people: what it learnt from, how its losses went, and what it scored."""

from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from adapters.card import Card
from adapters.plot import Plot, Points, plot
from adapters.scores import AdapterScore

TEMPLATE = Path(__file__).with_name("card.html.jinja")
# Of the scores that an evaluation has, the ones that a reader looks for first.
SHOWN = ("right", "answer_recall", "k_precision", "right_citation", "answered", "refused", "on_style")


def as_page(label: str, card: Card, score: AdapterScore | None) -> str:
    """No network, no script. Everything that is text is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(TEMPLATE.name).render(
        label=label,
        card=card,
        facts=dict(facts(card)),
        losses=plot(losses(card)),
        grounded=plot({"grounded": course(card, "eval_grounded")}),
        curve=curve(card),
        score=score,
        shown=[metric for metric in SHOWN if score and any(metric in one for one in score.combinations.values())],
    )


def facts(card: Card) -> Iterator[tuple[str, str]]:
    yield "trained", f"{card.created}, {card.minutes:g} minutes on {card.machine}"
    if start := card.recipe.get("start"):
        yield "goes on from", f"{start}, whose card tells of the training before"
    yield "base", f"{card.base.uri} ({card.base.sha256})"
    yield "prompt", f"{card.prompt} ({card.prompt_sha256})"
    yield "learnt from", f"{card.data.rows:,} rows out of {card.data.examples:,} examples ({card.data.sha256})"
    yield "kept apart", f"{card.data.validation_rows:,} rows for validation, {len(card.data.held_back)} documents"
    yield "weights", card.weights_sha256
    yield "libraries", ", ".join(f"{name} {version}" for name, version in card.libraries.items())


def losses(card: Card) -> dict[str, Points]:
    return {"training": course(card, "loss"), "validation": course(card, "eval_loss")}


def course(card: Card, key: str) -> Points:
    return [(entry["step"], entry[key]) for entry in card.losses if key in entry]


def curve(card: Card) -> Plot | None:
    """Right tokens by examples."""
    points = card.learning_curve.points if card.learning_curve else ()
    return plot({"tokens right": [(one.examples, one.score) for one in points]})
