"""The written rules of pre-authorization: read for people, for the prompt and for the records alike."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, model_validator

from adapters.card import Part
from configs.section import twice
from configs.yaml_text import parse_yaml

DecisionName = Literal["approved", "rejected", "pending"]
DECISIONS: tuple[DecisionName, ...] = ("approved", "rejected", "pending")
NO_DANGER = "this service has none"
# A record's numbers.
MOST = 1000


class PolicyError(ValueError):
    """A policy or records file that cannot be used; the message says where and why."""


class Rule(Part):
    """A rule with its reason code; {condition}, {danger} and {repeat_months} are the service's."""

    code: str = Field(pattern=r"^[A-Z][0-9]$")
    decision: DecisionName
    rule: str


class Number(Part):
    """A condition that is a documented number: at least or at most so much."""

    unit: str
    at_least: int | None = Field(None, gt=0, le=MOST)
    at_most: int | None = Field(None, ge=0, lt=MOST)

    @model_validator(mode="after")
    def one_bound(self) -> "Number":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("expected at_least or at_most, one of them")
        return self

    @property
    def bound(self) -> int:
        return self.at_most if self.at_least is None else self.at_least  # type: ignore[return-value]

    def met(self, value: int) -> bool:
        return value <= self.bound if self.at_least is None else value >= self.bound


class Service(Part):
    """What can be asked for; without `number` the note says whether the condition is met."""

    name: str = Field(min_length=1, max_length=80)
    category: Literal["imaging", "surgery", "equipment", "medicine"]
    condition: str
    repeat_months: int = Field(gt=0, le=MOST)
    danger: str | None = None
    number: Number | None = None


class Policy(Part):
    """Rules in their order, and services; a request is decided by the first rule that fits."""

    rules: tuple[Rule, ...] = Field(min_length=2)
    services: tuple[Service, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def each_once_and_written(self) -> "Policy":
        check_each_once("code", [rule.code for rule in self.rules])
        check_each_once("service", [service.name for service in self.services])
        for service in self.services:
            self.written(service)
        return self

    @property
    def sha256(self) -> str:
        """Of what it says, whatever its comments and layout."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def service(self, name: str) -> Service:
        """Raises PolicyError that lists the services."""
        found = next((one for one in self.services if one.name == name), None)
        if found is None:
            known = ", ".join(one.name for one in self.services)
            raise PolicyError(f"The policy has no service {name!r}; expected one of {known}.")
        return found

    @property
    def decisions(self) -> Mapping[str, DecisionName]:
        """Reason code -> its decision."""
        return {rule.code: rule.decision for rule in self.rules}

    def written(self, service: Service) -> list[str]:
        """All rules for one service as sentences, each after its code and decision."""
        return [f"{rule.code} {rule.decision}: {sentence(rule, service)}" for rule in self.rules]


def sentence(rule: Rule, service: Service) -> str:
    """Raises ValueError for a rule that names what a service does not have."""
    values = service.model_dump() | {"danger": service.danger or NO_DANGER}
    try:
        return rule.rule.format_map(values)
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise ValueError(
            f"the rule {rule.code} cannot be written for {service.name}: {error}. It may hold {{condition}}, "
            "{danger} and {repeat_months}; write a brace of its own twice"
        ) from error


def check_each_once(what: str, names: Sequence[str]) -> None:
    if found := twice(names):
        raise ValueError(f"the {what} {', '.join(found)} is there twice: each one may come once")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of a request; `met` None: nothing says whether the condition is met."""

    danger: bool
    referral: bool
    visit_notes: bool
    comfort: bool
    repeated: bool
    met: bool | None


def decided(policy: Policy, facts: Facts) -> str:
    """The reason code of the policy's first rule that fits. Raises PolicyError where none does."""
    fits = {
        "A1": facts.danger,
        "P1": not facts.referral,
        "P2": not facts.visit_notes,
        "R3": facts.comfort,
        "R2": facts.repeated,
        "P3": facts.met is None,
        "A2": facts.met is True,
        "R1": facts.met is False,
    }
    found = next((rule.code for rule in policy.rules if fits.get(rule.code)), None)
    if found is None:
        raise PolicyError(f"No rule of the policy fits {facts}; it needs rules with the codes {', '.join(fits)}.")
    return found


def read_policy(path: Path) -> Policy:
    """Raises PolicyError."""
    try:
        return Policy.model_validate(parse_yaml(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise PolicyError(f"The policy {path} cannot be used: {error}") from error
