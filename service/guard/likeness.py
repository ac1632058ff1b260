"""Emergencies in words that no rule knows: found by their likeness to example sentences."""

import hashlib
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from configs.yaml_text import parse_yaml
from ingest.documents import Vectors
from ingest.durable import published_file
from ingest.embed import Embedder
from service.guard.emergencies import SENTENCE_END, EmergencyRules, EmergencyRulesError, Handoff, readings, told

CACHE = "emergency-examples.npz"
SHORTEST_PART = 3
MOST_PARTS = 8
# How fast an example's say fades with the distance, and how much a single one may bend the boundary: chosen on the
# hospital's examples and questions (docs/log.md).
SHARPNESS = 3.0
RIDGE = 0.1
# A sentence out of its context says less, so it has to score this much higher.
PART_SCORE = 0.3
EARLIER_KEYS = frozenset({"least_cosine", "margin"})

Floats = NDArray[np.floating[Any]]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class ExamplesFile(BaseModel):
    """The file as people write it. Above the bound of the number the step would find next to nothing."""

    model_config = ConfigDict(extra="forbid")

    least_score: float = Field(gt=0, le=0.6)
    emergencies: dict[str, list[Sentence]] = Field(min_length=1)
    harmless: list[Sentence] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def without_earlier_keys(cls, content: object) -> object:
        """The score took the place of two numbers; no value of theirs has a counterpart."""
        earlier = sorted(EARLIER_KEYS & content.keys()) if isinstance(content, dict) else []
        if earlier:
            raise ValueError(
                f"{' and '.join(earlier)} are measured no more: take them out and write least_score "
                "(above 0, at most 0.6; the hospital's own file shows a measured one)"
            )
        return content


@dataclass(frozen=True, slots=True)
class Examples:
    """Emergencies, each with the hand-off of its rule, and harmless sentences that look like them."""

    least_score: float
    emergencies: tuple[str, ...]
    handoffs: tuple[Handoff, ...]
    harmless: tuple[str, ...]

    @property
    def kinds(self) -> list[Handoff]:
        """Each hand-off once."""
        return list(dict.fromkeys(self.handoffs))


@dataclass(frozen=True, slots=True)
class Likeness:
    """The examples as vectors, emergencies first, and their weights: for whether it is an emergency, then for each
    hand-off. `handoff` computes: call it in a thread.
    """

    examples: Examples
    embedder: Embedder
    vectors: Vectors
    weights: Vectors

    def handoff(self, question: str) -> Handoff | None:
        """The one that fits best to what is likest to an emergency: the question, or one of its sentences."""
        vectors = self.embedder.embed_queries(parts(question))
        urgent, *fitting = (kernel(vectors, self.vectors) @ self.weights).T
        urgent[1:] -= PART_SCORE
        telling = int(urgent.argmax())
        if urgent[telling] <= self.examples.least_score:
            return None
        return self.examples.kinds[int(np.argmax([scores[telling] for scores in fitting]))]


def parts(question: str) -> list[str]:
    """The question, and its last sentences: in a long one the cry for help may be a small part."""
    telling = [last_sentences(reading) for reading in readings(question)]
    sentences = dict.fromkeys(chain(*telling))
    return [question, *sentences] if len(sentences) > 1 else [question]


def last_sentences(reading: str) -> list[str]:
    sentences = (part.strip() for part in SENTENCE_END.split(reading))
    return [one for one in sentences if len(one.split()) >= SHORTEST_PART][-MOST_PARTS:]


def load_examples(path: Path, rules: EmergencyRules) -> Examples:
    """Read and check the file; every fault raises EmergencyRulesError with its place."""
    try:
        content = ExamplesFile.model_validate(parse_yaml(path.read_text(encoding="utf-8")))
        return matched(content, {rule.handoff.rule: rule.handoff for rule in rules.rules})
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise EmergencyRulesError(f"The emergency examples in {path} cannot be used: {told(error)}") from error


def matched(content: ExamplesFile, handoffs: dict[str, Handoff]) -> Examples:
    """Each sentence with the hand-off of the rule that it stands under."""
    unknown = content.emergencies.keys() - handoffs.keys()
    if unknown:
        known = ", ".join(handoffs)
        raise ValueError(f"no rule is named {', '.join(sorted(unknown))}; the rules are {known}")
    pairs = [(one, handoffs[rule]) for rule, sentences in content.emergencies.items() for one in sentences]
    return Examples(
        least_score=content.least_score,
        emergencies=tuple(sentence for sentence, _ in pairs),
        handoffs=tuple(handoff for _, handoff in pairs),
        harmless=tuple(content.harmless),
    )


def likeness(examples: Examples, embedder: Embedder, folder: Path) -> Likeness:
    """Embed and weigh the examples, or take both from the folder where an earlier start left them."""
    file = folder / CACHE
    key = key_of(examples, embedder)
    kept = kept_in(file, key)
    if kept is None:
        vectors = embedder.embed_queries([*examples.emergencies, *examples.harmless])
        kept = vectors, weighed(vectors, targets(examples))
        keep(file, key, *kept)
    return Likeness(examples, embedder, *kept)


def kernel(some: Floats, others: Floats) -> Floats:
    """How alike they are, a row for each of `some`: 1 for the same meaning, little for strangers."""
    alike: Floats = np.exp(SHARPNESS * (some @ others.T - 1))
    return alike


def targets(examples: Examples) -> Vectors:
    """What each example is to score, a row for each: 1 as an emergency and -1 as none, then 1 for its own hand-off
    and 0 for each other.
    """
    told = [*examples.handoffs, *[None] * len(examples.harmless)]
    rows = [[1 if one else -1, *(one == kind for kind in examples.kinds)] for one in told]
    return np.array(rows, dtype=np.float32)


def weighed(vectors: Vectors, targets: Vectors) -> Vectors:
    """Kernel ridge regression: with these weights, a column for each of the targets, the examples score about what
    they are to. Emergencies and others have the same say however many there are of each; what is like none of them
    scores about 0.
    """
    is_emergency = targets[:, 0] > 0
    emergencies, count = int(is_emergency.sum()), len(vectors)
    share = np.where(is_emergency, emergencies, count - emergencies) * 2 / count
    # In double precision: with single the sums of thousands of weights drift.
    exact = vectors.astype(np.float64)
    bent = kernel(exact, exact) + np.diag(RIDGE * share)
    return np.asarray(np.linalg.solve(bent, targets), dtype=np.float32)


def key_of(examples: Examples, embedder: Embedder) -> str:
    """What is kept counts only for the same sentences under the same rules, the same embedder and way to weigh."""
    told = [embedder.fingerprint, f"{SHARPNESS} {RIDGE}", *(one.rule for one in examples.handoffs)]
    return hashlib.sha256("\n".join([*told, *examples.emergencies, *examples.harmless]).encode()).hexdigest()


def kept_in(file: Path, key: str) -> tuple[Vectors, Vectors] | None:
    if not file.is_file():
        return None
    with np.load(file) as kept:
        if str(kept["key"]) != key:
            return None
        return np.asarray(kept["vectors"], dtype=np.float32), np.asarray(kept["weights"], dtype=np.float32)


def keep(file: Path, key: str, vectors: Vectors, weights: Vectors) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with published_file(file) as unfinished, unfinished.open("wb") as whole:
        np.savez(whole, key=np.array(key), vectors=vectors, weights=weights)
