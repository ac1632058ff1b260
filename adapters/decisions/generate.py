"""Example records out of the policy: facts by chance, told in fields and notes, decided with some noise."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import yaml
from pydantic import Field, model_validator

from adapters.card import Part
from adapters.decisions.policy import MOST, Facts, Policy, PolicyError, Service, decided
from adapters.decisions.records import Age, Record, Split, split_of
from configs.yaml_text import parse_yaml

NOISE = 0.04
AGES: tuple[Age, ...] = ("0-17", "18-39", "40-64", "65+")
# Which end of each list a split has for itself: see phrases.yaml.
KEPT_APART: Mapping[Split, slice] = {"calibration": slice(-2, -1), "test": slice(-1, None)}
# A note may have 2,000 characters: eleven phrases at most.
Phrase: TypeAlias = Annotated[str, Field(min_length=1, max_length=170)]
# One for training at least, besides those that are kept apart.
Wordings: TypeAlias = Annotated[tuple[Phrase, ...], Field(min_length=3)]


class ServicePhrases(Part):
    """`told` holds {n}; a service without a number has `met` and `unmet`."""

    danger: Wordings = ()
    told: Wordings = ()
    met: Wordings = ()
    unmet: Wordings = ()

    @model_validator(mode="after")
    def numbers_are_told(self) -> "ServicePhrases":
        check_filled(self.told, "n")
        return self

    def lacking(self, service: Service) -> list[str]:
        """The lists that the policy's service needs and that are not here."""
        condition = ["told"] if service.number else ["met", "unmet"]
        needed = [*condition, *(["danger"] if service.danger else [])]
        return [name for name in needed if not getattr(self, name)]


class Phrases(Part):
    """What notes are made of."""

    opening: Wordings
    closing: Wordings
    referral_sent: Wordings
    referral_missing: Wordings
    comfort: Wordings
    changed: Wordings
    unchanged: Wordings
    distractor: Wordings
    no_danger: Wordings
    services: dict[str, ServicePhrases] = Field(min_length=1)

    @model_validator(mode="after")
    def distractors_are_told(self) -> "Phrases":
        check_filled(self.distractor, "other")
        return self


def check_filled(phrases: Sequence[str], name: str) -> None:
    """Raises ValueError for a phrase that holds something else than {name}."""
    for phrase in phrases:
        try:
            phrase.format(**{name: 1})
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            raise ValueError(
                f"{phrase!r} cannot be told: {error}. It may hold {{{name}}}; write a brace of its own twice"
            ) from error


@dataclass(frozen=True, slots=True)
class Story:
    """What is true of one request, and what its form says."""

    service: Service
    facts: Facts
    measured: int | None
    months: int | None


@dataclass(frozen=True, slots=True)
class Teller:
    """Writes notes; each split has wordings of its own."""

    phrases: Phrases
    chance: random.Random
    split: Split

    def one(self, phrases: Sequence[str]) -> str:
        apart = KEPT_APART.get(self.split, slice(0, 0))
        return self.chance.choice([*phrases[:-2], *phrases[apart]])

    def note(self, story: Story, referral: str, told: bool) -> str:
        """The sentences of the note in any order between opening and closing."""
        said = [*self.facts(story, referral, told), *self.padding(story)]
        self.chance.shuffle(said)
        opening = [self.one(self.phrases.opening)] if self.chance.random() < 0.5 else []
        closing = [self.one(self.phrases.closing)] if self.chance.random() < 0.3 else []
        return " ".join([*opening, *said, *closing])

    def facts(self, story: Story, referral: str, told: bool) -> Iterator[str]:
        facts, words = story.facts, self.phrases.services[story.service.name]
        if facts.danger:
            yield self.one(words.danger)
        if referral == "not stated":
            yield self.one(self.phrases.referral_sent if facts.referral else self.phrases.referral_missing)
        if facts.comfort:
            yield self.one(self.phrases.comfort)
        if story.months is not None and story.months < story.service.repeat_months:
            yield self.one(self.phrases.unchanged if facts.repeated else self.phrases.changed)
        if facts.met is not None and story.measured is None:
            yield self.one(words.met if facts.met else words.unmet)
        if told and story.measured is not None:
            yield self.one(words.told).format(n=story.measured)

    def padding(self, story: Story) -> Iterator[str]:
        if story.service.danger and not story.facts.danger and self.chance.random() < 0.25:
            yield self.one(self.phrases.no_danger)
        for _ in range(self.chance.randint(0, 2)):
            yield self.one(self.phrases.distractor).format(other=self.chance.randint(2, 14))


def generated(policy: Policy, phrases: Phrases, count: int, seed: int) -> list[Record]:
    """So many records, the same for the same seed; in NOISE of them the reason code is another one by chance.

    Raises PolicyError where phrases are lacking for a service, or a rule for a request.
    """
    check_phrases(policy, phrases)
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    return [record(policy, phrases, f"R{number:05d}", chance) for number in range(1, count + 1)]


def check_phrases(policy: Policy, phrases: Phrases) -> None:
    lacking = [
        f"{service.name}: {', '.join(lists)}"
        for service in policy.services
        if (lists := phrases.services.get(service.name, ServicePhrases()).lacking(service))
    ]
    if lacking:
        raise PolicyError(
            "The phrases lack lists of at least three for services of the policy; write them below `services`: "
            + "; ".join(lacking)
        )


def record(policy: Policy, phrases: Phrases, identity: str, chance: random.Random) -> Record:
    story = imagined(chance.choice(policy.services), chance)
    teller = Teller(phrases, chance, split_of(identity))
    referral = stated(story.facts.referral, chance, 0.15)
    where = chance.random()
    told, in_field = where > 0.4, where < 0.6
    code = decided(policy, story.facts)
    if chance.random() < NOISE:
        code = chance.choice([other for other in policy.decisions if other != code])
    age = chance.choice(AGES)
    note = teller.note(story, referral, told)
    return Record(
        id=identity,
        service=story.service.name,
        urgency=chance.choice(("routine", "routine", "routine", "urgent")),
        age=age,
        referral=referral,
        visit_notes=stated(story.facts.visit_notes, chance, 0),
        measured=story.measured if in_field else None,
        months_since_same=story.months,
        note=note.replace("{age}", age),
        decision=policy.decisions[code],
        reason_code=code,
    )


def imagined(service: Service, chance: random.Random) -> Story:
    """Facts of one request by chance; about one in five ends up pending."""
    met = chance.choices((True, False, None), (0.55, 0.31, 0.14))[0]
    months = chance.randint(1, min(service.repeat_months * 3, MOST)) if chance.random() < 0.35 else None
    recent = months is not None and months < service.repeat_months
    facts = Facts(
        danger=service.danger is not None and chance.random() < 0.12,
        referral=chance.random() > 0.06,
        visit_notes=chance.random() > 0.06,
        comfort=chance.random() < 0.06,
        repeated=recent and chance.random() < 0.6,
        met=met,
    )
    return Story(service, facts, number_of(service, met, chance), months)


def number_of(service: Service, met: bool | None, chance: random.Random) -> int | None:
    """A number on the right side of the bound, most often near it, and one that a record can hold."""
    if service.number is None or met is None:
        return None
    bound = service.number.bound
    above = bound + chance.randint(0, max(3, bound // 2))
    below = max(0, bound - chance.randint(1, max(3, bound // 2)))
    if service.number.at_least is not None:
        return min(above, MOST) if met else below
    return max(0, bound - chance.randint(0, 6)) if met else min(bound + chance.randint(1, 8), MOST)


def stated(there: bool, chance: random.Random, unsaid: float) -> Any:
    """How the form's box is ticked; in a share of `unsaid` it is not."""
    return "not stated" if chance.random() < unsaid else "attached" if there else "missing"


def read_phrases(path: Path) -> Phrases:
    """Raises PolicyError."""
    try:
        return Phrases.model_validate(parse_yaml(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise PolicyError(f"The phrases {path} cannot be used: {error}") from error
