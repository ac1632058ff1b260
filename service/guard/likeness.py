"""Emergencies in words that no rule knows: found by their likeness to example sentences."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from configs.yaml_text import parse_yaml
from ingest.documents import Vectors
from ingest.durable import published_file
from ingest.embed import Embedder
from service.guard.emergencies import SENTENCE_END, EmergencyRules, EmergencyRulesError, Handoff, readings, told

CACHE = "emergency-examples.npz"
SHORTEST_PART = 3
MOST_PARTS = 8
# A sentence out of its context says less, so it has to be this much nearer and further ahead.
PART_COSINE = 0.15
PART_MARGIN = 0.1

Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class ExamplesFile(BaseModel):
    """The file as people write it. Above the bounds of the two numbers the step would find nothing at all."""

    model_config = ConfigDict(extra="forbid")

    least_cosine: float = Field(gt=0, le=0.7)
    margin: float = Field(ge=0, le=0.3)
    emergencies: dict[str, list[Sentence]] = Field(min_length=1)
    harmless: list[Sentence] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Examples:
    """Emergencies, each with the hand-off of its rule, and harmless sentences that look like them."""

    least_cosine: float
    margin: float
    emergencies: tuple[str, ...]
    handoffs: tuple[Handoff, ...]
    harmless: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Likeness:
    """The examples as vectors. `nearest` computes: call it in a thread."""

    examples: Examples
    embedder: Embedder
    emergencies: Vectors
    harmless: Vectors

    def nearest(self, question: str) -> Handoff | None:
        """The hand-off of the nearest emergency, if that is near and no harmless sentence nearly as near."""
        vectors = self.embedder.embed_queries(parts(question))
        cosines = vectors @ self.emergencies.T
        best = cosines.max(axis=1)
        ahead = best - (vectors @ self.harmless.T).max(axis=1)
        is_part = np.arange(len(vectors)) > 0
        near = best > self.examples.least_cosine + PART_COSINE * is_part
        alike = near & (ahead > self.examples.margin + PART_MARGIN * is_part)
        if not alike.any():
            return None
        part = np.where(alike, best, 0).argmax()
        return self.examples.handoffs[int(cosines[part].argmax())]


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
        least_cosine=content.least_cosine,
        margin=content.margin,
        emergencies=tuple(sentence for sentence, _ in pairs),
        handoffs=tuple(handoff for _, handoff in pairs),
        harmless=tuple(content.harmless),
    )


def likeness(examples: Examples, embedder: Embedder, folder: Path) -> Likeness:
    """Embed the examples, or take their vectors from the folder where an earlier start left them."""
    vectors = vectors_of([*examples.emergencies, *examples.harmless], embedder, folder / CACHE)
    emergencies, harmless = np.split(vectors, [len(examples.emergencies)])
    return Likeness(examples, embedder, emergencies, harmless)


def vectors_of(sentences: Sequence[str], embedder: Embedder, file: Path) -> Vectors:
    """Those in the file count only for the same sentences and the same embedder."""
    key = hashlib.sha256("\n".join([embedder.fingerprint, *sentences]).encode()).hexdigest()
    if file.is_file():
        with np.load(file) as kept:
            if str(kept["key"]) == key:
                return np.asarray(kept["vectors"], dtype=np.float32)
    vectors = embedder.embed_queries(sentences)
    file.parent.mkdir(parents=True, exist_ok=True)
    with published_file(file) as unfinished, unfinished.open("wb") as whole:
        np.savez(whole, key=np.array(key), vectors=vectors)
    return vectors
