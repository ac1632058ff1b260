"""An adapter's recipe, read from YAML: data, LoRA and training values, and for a model also how rows are mixed."""

from math import prod
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from adapters.verify import MAX_RANK
from configs.section import Share
from configs.yaml_text import parse_yaml


class RecipeError(ValueError):
    """A recipe file that cannot be followed; the message lists every error."""


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def placed(path: Path, given: ValidationInfo) -> Path:
    """Relative paths start at the recipe's folder, if that is the context."""
    return (given.context or Path()) / path


Place = Annotated[Path, AfterValidator(placed)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Data(Part):
    """Where the examples and their documents are; splits are by document, so that nothing leaks.

    `questions` are those of the evaluation: no example may ask one of them.
    """

    examples: tuple[Place, ...] = Field(min_length=1)
    documents: Place
    validation: tuple[str, ...] = Field(min_length=1)
    held_back: tuple[str, ...]
    questions: Place | None = None


class Elsewhere(Part):
    """Examples about other pages than the documents: the more subjects, the less is learnt by heart."""

    examples: tuple[Place, ...] = Field(min_length=1)
    documents: Place


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
    """Within what the gate lets in (adapters/verify.py): a training whose adapter is refused would be in vain."""

    rank: int = Field(gt=0, le=MAX_RANK)
    alpha: int = Field(gt=0, le=16 * MAX_RANK)
    dropout: float = Field(ge=0, lt=1)


class Training(Part):
    """The learning rate falls as a cosine in each of `cycles` equal parts; `patience` counts evaluations without a
    gain: of the loss, or with `grounded`, of how grounded the answers to so many validation rows are.

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
    grounded: int = Field(default=0, ge=0)
    seed: int


class Candidates(Part):
    """What `triptych adapters train --search` chooses from: all combinations, in so many minutes of trials.

    A value without a list stays as the recipe has it. `epochs` are those of a whole training.
    """

    minutes: float = Field(gt=0)
    rank: tuple[int, ...] = ()
    learning_rate: tuple[Annotated[float, Field(gt=0)], ...] = ()
    epochs: tuple[Annotated[float, Field(gt=0)], ...] = ()

    @model_validator(mode="after")
    def several_and_each_once(self) -> Self:
        lists = (self.rank, self.learning_rate, self.epochs)
        if any(len(set(values)) < len(values) for values in lists):
            raise ValueError("a value stands twice in rank, learning_rate or epochs: list each one once")
        if prod(len(values) or 1 for values in lists) < 2:
            raise ValueError(
                "rank, learning_rate and epochs leave nothing to choose: list at least two values of one"
            )
        return self


class Recipe(Part):
    """`start` is the version of an adapter (NAME@VERSION) that training goes on from; without it, from nothing.

    `search` is never written out: how values were chosen changes nothing of what they make. Nor are paths: the
    hash of the rows tells what was learnt from.
    """

    name: Name
    prompt: str
    no_answer: str
    start: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9._-]{0,63}@[1-9][0-9]{0,8}$")
    data: Data
    elsewhere: Elsewhere | None = Field(default=None, exclude=True)
    mix: Mix
    lora: Lora
    training: Training
    search: Candidates | None = Field(default=None, exclude=True)

    @model_validator(mode="after")
    def ranks_can_be_tried(self) -> Self:
        ranks = self.search.rank if self.search else ()
        if ranks and self.start:
            raise ValueError(f"search.rank: training goes on from {self.start}, whose rank stays; leave it out")
        for rank in ranks:
            of_rank(self.lora, rank)
        return self


class SearchTraining(Part):
    """`hard_negatives`: for each question, so many of the nearest wrong passages are told apart, besides the others
    of its batch. `scale` is one over the temperature of the softmax over them.
    """

    learning_rate: float = Field(gt=0)
    epochs: float = Field(gt=0)
    batch_size: int = Field(gt=0)
    hard_negatives: int = Field(gt=0)
    scale: float = Field(gt=0)
    warmup_share: Share
    weight_decay: float = Field(ge=0)
    seed: int


class SearchRecipe(Part):
    """An adapter for the embedder: it learns which passage answers the examples' questions."""

    data: Data
    lora: Lora
    training: SearchTraining


class Groups(Part):
    """A question with the passage that answers it and `others` drawn from the `nearest` ones that do not.

    Of the questions that have an answer, `withheld` come without its passage.
    """

    others: int = Field(gt=0)
    nearest: int = Field(gt=0)
    withheld: Share


class RankingRecipe(Part):
    """An adapter that learns to tell whether a passage answers a question. A batch has so many groups."""

    name: Name
    data: Data
    elsewhere: Elsewhere | None = Field(default=None, exclude=True)
    groups: Groups
    lora: Lora
    training: Training


class DecisionRecipe(Part):
    """An adapter that decides on the pack's records. Of the rows, `with_rules` tell the policy's rules, as with the
    prompt layer on, and `with_similar` show similar records, as with retrieval on.
    """

    name: Name
    prompt: str
    with_rules: Share
    with_similar: Share
    validation: int = Field(gt=0)
    lora: Lora
    training: Training


# What trains an adapter of the language model.
ModelRecipe = Recipe | RankingRecipe | DecisionRecipe


def of_rank(lora: Lora, rank: int) -> Lora:
    """With alpha / rank as it was: the scale of what is learnt, to which the learning rate fits.

    Raises ValueError where alpha would be no whole number, and for a rank that is out of bounds.
    """
    alpha, left = divmod(lora.alpha * rank, lora.rank)
    if left:
        raise ValueError(
            f"search.rank: {rank} with alpha / rank of {lora.alpha} / {lora.rank} gives no whole alpha"
        )
    return Lora(rank=rank, alpha=alpha, dropout=lora.dropout)


R = TypeVar("R", bound=Part)


def read_recipe(path: Path) -> Recipe:
    """As `read_as`, of the house style."""
    return read_as(Recipe, path)


def read_any_recipe(path: Path) -> Recipe | SearchRecipe | RankingRecipe:
    """One of the three: only the house style has a prompt, and an embedder's adapter no name."""
    values = read_values(path)
    if "prompt" in values:
        return read_recipe(path)
    return read_as(RankingRecipe, path) if "name" in values else read_as(SearchRecipe, path)


def read_as(kind: type[R], path: Path) -> R:
    """Relative paths start at the recipe's folder. `data.like` names a file with the values that `data` leaves out.

    Raises RecipeError.
    """
    values, folder = read_values(path), path.resolve().parent
    if isinstance(data := values.get("data"), dict) and "like" in data:
        values["data"] = read_values(folder / str(data.pop("like"))) | data
    try:
        return kind.model_validate(values, context=folder)
    except ValidationError as error:
        raise RecipeError(f"The recipe {path} cannot be used: {error}") from error


def read_values(path: Path) -> dict[str, Any]:
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RecipeError(f"The recipe {path} cannot be used: {error}") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: expected keys and values, got {type(values).__name__}.")
    return values


def elsewhere_of(recipe: Recipe | SearchRecipe | RankingRecipe) -> Elsewhere | None:
    """The other pages that it names, if it does; a search learns its own only."""
    return None if isinstance(recipe, SearchRecipe) else recipe.elsewhere
