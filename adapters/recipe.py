"""One adapter's recipe: data, mix, LoRA and training values, read from one YAML file."""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

Share = Annotated[float, Field(ge=0, le=1)]


class RecipeError(ValueError):
    """A recipe file that cannot be followed; the message lists every error."""


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(Part):
    """Where the examples and their documents are; splits are by document, so that nothing leaks.

    `questions` are those of the evaluation: no example may ask one of them.
    """

    examples: tuple[Path, ...] = Field(min_length=1)
    documents: Path
    validation: tuple[str, ...] = Field(min_length=1)
    held_back: tuple[str, ...]
    questions: Path | None = None


class Mix(Part):
    """How rows are made from examples. Shares are of all examples.

    Each example with an answer gives `variants` rows, with other distractors and other turns before them.
    `without_gold` of these come once more with the right passage taken away, and are then refused. Of the examples
    that are refusals, `refusals` come at all. Without `yes_no`, answers begin after their "Yes," or "No,".
    """

    passages: int = Field(gt=0)
    variants: int = Field(gt=0)
    shuffled: Share
    refusals: Share = 1
    yes_no: bool = True
    without_gold: Share
    without_retrieval: Share
    without_prompt: Share
    with_history: Share


class Lora(Part):
    rank: int = Field(gt=0, le=64)
    alpha: int = Field(gt=0)
    dropout: Share


class Training(Part):
    """The learning rate falls as a cosine in each of `cycles` equal parts; `patience` counts evaluations.

    `max_tokens` bounds a whole row; over 1 % longer rows is an error. An answer's first `choice_tokens` weigh
    `choice_weight` times in the loss: there the model chooses a passage or refuses, all after is mostly copying.
    """

    learning_rate: float = Field(gt=0)
    epochs: float = Field(gt=0)
    cycles: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    warmup_share: Share
    weight_decay: float = Field(ge=0)
    max_tokens: int = Field(gt=0)
    choice_tokens: int = Field(default=0, ge=0)
    choice_weight: float = Field(default=1, gt=0)
    evaluate_every: int = Field(gt=0)
    patience: int = Field(gt=0)
    seed: int


class Recipe(Part):
    """`start` is the version of an adapter (NAME@VERSION) that training goes on from; without it, from nothing."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    prompt: str
    no_answer: str
    start: str | None = None
    data: Data
    mix: Mix
    lora: Lora
    training: Training


def read_recipe(path: Path) -> Recipe:
    """Relative paths in the file start at its folder. Raises RecipeError."""
    try:
        recipe = Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise RecipeError(f"The recipe {path} cannot be used: {error}") from error
    folder = path.resolve().parent
    data = recipe.data.model_copy(
        update={
            "examples": tuple(folder / example for example in recipe.data.examples),
            "documents": folder / recipe.data.documents,
            "questions": folder / recipe.data.questions if recipe.data.questions else None,
        }
    )
    return recipe.model_copy(update={"data": data})
