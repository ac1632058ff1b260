"""What an adapter says of itself, so that it can be refused where it does not fit."""

import hashlib
from operator import not_
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

CARD, CONFIG, WEIGHTS = "card.json", "adapter_config.json", "adapter_model.safetensors"
SHA256 = r"^[0-9a-f]{64}$"


class CardError(ValueError):
    """A card that is missing or cannot be read."""


class Part(BaseModel):
    """Of what is written and read again: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Base(Part):
    """The model that the adapter was trained on, by the hash of the file that is served."""

    uri: str
    sha256: str = Field(pattern=SHA256)
    tokenizer_sha256: str = Field(pattern=SHA256)
    chat_template_sha256: str = Field(pattern=SHA256)


class TrainingData(Part):
    """What it was trained on: the hash of the rendered rows, their number, and the documents kept apart."""

    sha256: str = Field(pattern=SHA256)
    examples: int
    rows: int
    validation_rows: int
    held_back: tuple[str, ...]


class Trial(Part):
    """Values that a search tried: trained for `share` of their `epochs`, in `minutes` of this machine.

    `score` is the loss on the validation rows, less is better; None where training diverged.
    """

    rank: int
    learning_rate: float
    epochs: float
    share: float
    steps: int
    score: float | None
    minutes: float


class CurvePoint(Part):
    """A training on so many examples. On the validation examples: the `loss`, and as `score` the share of their
    answers' tokens that the model would have said, each after the right ones before it.
    """

    examples: int
    rows: int
    steps: int
    loss: float
    score: float
    minutes: float


class LearningCurve(Part):
    """What more examples bring. `values` are the recipe's and `held` what else was the same for all points."""

    values: dict[str, Any]
    held: str
    points: tuple[CurvePoint, ...]
    finding: str


class Card(Part):
    """`minutes` of training on `machine`; `losses` by step; `scores` as the evaluation printed them.

    `trials` are those of the search that chose the recipe's values; `learning_curve` was drawn from the same rows.
    `probe` has the likeliest first tokens on the probe (adapters/engines/probe.py) with their log probabilities, by
    torch in float32. A card without one of these does not name it, so that an older card's seal still fits.

    `seal` is a hash over the card itself and PEFT's configuration, so that a changed byte in either is seen, as
    `weights_sha256` shows it for the weights. It is no signature: whoever writes all three can seal them.
    """

    schema_version: Literal[1] = 1
    name: str
    created: str
    weights_sha256: str = Field(pattern=SHA256)
    base: Base
    prompt: str
    prompt_sha256: str = Field(pattern=SHA256)
    data: TrainingData
    recipe: dict[str, Any]
    libraries: dict[str, str]
    machine: str
    minutes: float
    losses: tuple[dict[str, float], ...]
    scores: dict[str, Any] = {}
    trials: tuple[Trial, ...] = Field(default=(), exclude_if=not_)
    learning_curve: LearningCurve | None = Field(default=None, exclude_if=not_)
    probe: dict[str, float] = Field(default={}, exclude_if=not_)
    seal: str = ""


def read_card(folder: Path) -> Card:
    try:
        return Card.model_validate_json((folder / CARD).read_bytes())
    except (OSError, ValidationError) as error:
        raise CardError(f"{folder / CARD} is no adapter card: {error}") from error


def write_card(card: Card, folder: Path) -> None:
    """Beside the weights and PEFT's configuration, which has to be there: the card seals it."""
    sealed = card.model_copy(update={"seal": seal_of(card, folder)})
    (folder / CARD).write_text(sealed.model_dump_json(indent=1) + "\n", encoding="utf-8")


def seal_of(card: Card, folder: Path) -> str:
    rest = card.model_dump_json(exclude={"seal"})
    return hashlib.sha256(rest.encode() + (folder / CONFIG).read_bytes()).hexdigest()
