"""What an evaluation asks: questions, layers with their levels, goal and guardrails; read from one YAML file."""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from configs.section import spelled_out
from configs.settings import EngineKind
from configs.yaml_text import parse_yaml
from service.evaluation.metrics.catalogue import GOALS, METRICS
from service.plan import FACTORS, Factor
from service.switches import Overrides

Name = TypeVar("Name", bound=str)


class DesignError(ValueError):
    """An evaluation that cannot be run as it is written; the message lists every error."""


def known_metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"expected one of {', '.join(METRICS)}")
    return name


def known_goal(name: str) -> str:
    if name not in GOALS:
        raise ValueError(f"expected a score from 0 to 1 where higher is better, one of {', '.join(GOALS)}")
    return name


def different(names: tuple[Name, ...]) -> tuple[Name, ...]:
    if len(set(names)) < len(names):
        raise ValueError("expected each one once")
    return names


Level = Annotated[str, BeforeValidator(spelled_out), Field(min_length=1)]
Levels = Annotated[tuple[Level, ...], Field(min_length=2), AfterValidator(different)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Selection(Part):
    """Questions with one of the `tags` (all without any); `held_back_by` is an adapter's recipe.

    With a recipe, only questions about documents that its training never saw, and those that no document answers.
    """

    file: Path
    tags: tuple[str, ...] = ()
    held_back_by: Path | None = None


class Factors(Part):
    """The levels of each layer: off, on, or a name as a request would give it."""

    prompt: Levels
    retrieval: Levels
    adapter: Levels

    def levels(self, factor: Factor) -> tuple[str, ...]:
        found: tuple[str, ...] = getattr(self, factor)
        return found

    def reference(self, factor: Factor) -> str:
        """What the other levels are compared with: off, or the first one."""
        levels = self.levels(factor)
        return "off" if "off" in levels else levels[0]

    def others(self, factor: Factor) -> tuple[str, ...]:
        return tuple(level for level in self.levels(factor) if level != self.reference(factor))


class SmallestUseful(Part):
    prompt: Positive
    retrieval: Positive
    adapter: Positive


class Goal(Part):
    """`smallest_useful`: the effect that pays for a layer; `margin`: the loss between two runs that is too much."""

    metric: Annotated[str, AfterValidator(known_goal)]
    smallest_useful: SmallestUseful
    margin: Positive


class Guardrail(Part):
    """What a layer must not make worse by `margin`, in the metric's unit."""

    metric: Annotated[str, AfterValidator(known_metric)]
    margin: Positive
    layers: tuple[Factor, ...] = FACTORS


class Style(Part):
    """What an answer in the house style keeps to: US school years, words, "you" somewhere in it, and `parts`.

    Each part is a regular expression that it has to match, such as what to do next. `like` is an adapter's recipe,
    from whose examples a classifier learns what the house sounds like.
    """

    reading_grade: Positive = 8
    words: int = Field(default=90, gt=0)
    parts: dict[str, re.Pattern[str]] = {}
    like: Path | None = None


class Cost(Part):
    """A version serves for `days`, with so many questions each, until training and ingest are done anew.

    `minutes` of the machine are what a layer takes each time, besides the training of adapters, which their cards
    tell: the answers', the embedder's and the ranker's.
    """

    requests_a_day: Positive
    days: Positive
    minutes: dict[Factor, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}


class Design(Part):
    """`types` maps a question type to its tags; a question is of the first type that fits.

    Each of the `engines` (values of `engine.kind`) is asked everything, in a run of its own; without any, the
    configured one is.
    """

    name: str = Field(min_length=1)
    questions: Selection
    factors: Factors
    engines: Annotated[tuple[EngineKind, ...], AfterValidator(different)] = ()
    goal: Goal
    guardrails: tuple[Guardrail, ...] = ()
    types: dict[str, tuple[str, ...]] = {}
    style: Style = Style()
    cost: Cost | None = None
    seed: int = Field(ge=0)
    concurrency: int = Field(default=8, gt=0, le=64)


class Cell(Part):
    """One combination of levels, as they are asked for."""

    prompt: str
    retrieval: str
    adapter: str

    @property
    def label(self) -> str:
        return f"prompt {self.prompt}, retrieval {self.retrieval}, adapter {self.adapter}"

    def overrides(self, seed: int) -> Overrides:
        """Greedy, so that the same run gives the same answers."""
        return Overrides(self.prompt, self.retrieval, self.adapter, temperature=0.0, seed=seed)


def cells_of(factors: Factors) -> list[Cell]:
    """Every combination; what costs most to change stands outside."""
    return [
        Cell(prompt=prompt, retrieval=retrieval, adapter=adapter)
        for adapter, retrieval, prompt in product(factors.adapter, factors.retrieval, factors.prompt)
    ]


def read_design(path: Path) -> Design:
    """Relative paths in the file start at its folder. Raises DesignError."""
    try:
        design = Design.model_validate(parse_yaml(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DesignError(f"The evaluation {path} cannot be read: {error}") from error
    except ValidationError as error:
        lines = "\n".join(described(error))
        raise DesignError(f"The evaluation {path} has {error.error_count()} error(s):\n{lines}") from error
    return placed(design, path.resolve().parent)


def placed(design: Design, folder: Path) -> Design:
    questions, style = design.questions, design.style
    recipe = folder / questions.held_back_by if questions.held_back_by else None
    chosen = questions.model_copy(update={"file": folder / questions.file, "held_back_by": recipe})
    like = style.model_copy(update={"like": folder / style.like if style.like else None})
    return design.model_copy(update={"questions": chosen, "style": like})


def described(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        place = ".".join(str(part) for part in problem["loc"])
        got = "" if problem["type"] == "missing" else f", got {problem['input']!r}"
        yield f"  {place or 'the file'}: {problem['msg']}{got}"
