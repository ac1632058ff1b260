"""A pack's folder of decisions: policy, records, prompts, head and calibrations, checked against each other."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from adapters.decisions import ask
from adapters.decisions.calibration import Calibration
from adapters.decisions.features import KIND
from adapters.decisions.head import WRITABLE, Head, read_head
from adapters.decisions.policy import Policy, PolicyError, read_policy
from adapters.decisions.records import PastCase, of_split, read_records
from adapters.decisions.similar import Memory
from adapters.prompt import PromptTemplate, load_prompt, prompt_labels
from ingest.durable import replace_text

POLICY, RECORDS, PHRASES, PROMPTS, HEAD = "policy.yaml", "records.jsonl", "phrases.yaml", "prompts", "head"
CALIBRATIONS = "calibrations.json"
# The one name under which `/decide` knows a LoRA adapter.
LORA = "decisions"
# Calibration records of a service, with some three times as many to train on. Measured on one of the hospital's:
# with 10, the head said 0.88 of what it kept and 0.68 was right; with 15, it said 0.85 and 0.80 was right.
ENOUGH = 15
BY_WAY = TypeAdapter(dict[str, Calibration])


@dataclass(frozen=True)
class DecisionPack:
    """`calibrations` are those of the ways that ask a language model; the head has its own in its card."""

    policy: Policy
    past: Sequence[PastCase]
    prompts: Mapping[str, PromptTemplate]
    head: Head
    calibrations: Mapping[str, Calibration]
    known_services: frozenset[str]

    @cached_property
    def memory(self) -> Memory:
        return Memory(of_split(self.past, "train"), self.head.memory)


def known_services(past: Sequence[PastCase]) -> frozenset[str]:
    """Those with records to learn from and ENOUGH to calibrate on: how often others are right, nobody knows."""
    learnt = {one.case.fields[KIND] for one in of_split(past, "train")}
    measured = Counter(one.case.fields[KIND] for one in of_split(past, "calibration"))
    return frozenset(name for name in learnt if measured[name] >= ENOUGH)


def open_pack(folder: Path, prompt: str, embedder: str) -> DecisionPack:
    """`prompt` has to be among the folder's. Raises PolicyError, PromptError."""
    policy, past = read_policy(folder / POLICY), read_records(folder / RECORDS)
    check_records(policy, past)
    labels = (prompt, *prompt_labels(folder / PROMPTS))
    return DecisionPack(
        policy=policy,
        past=past,
        prompts={label: load_prompt(folder / PROMPTS, label, ask.messages_of_both_kinds) for label in labels},
        head=read_head(folder / HEAD, embedder, past, policy.sha256),
        calibrations=read_calibrations(folder / CALIBRATIONS),
        # Here and not at the first request, which would hold up all others.
        known_services=known_services(past),
    )


def check_records(policy: Policy, past: Sequence[PastCase]) -> None:
    """Every record is for a service of the policy, and has a code with the code's decision."""
    for one in past:
        policy.service(one.case.fields["service"])
        if policy.decisions.get(one.code) != one.decision:
            raise PolicyError(
                f"The record {one.id} is {one.decision} with the code {one.code!r}; the policy's codes are "
                + ", ".join(f"{code} ({decision})" for code, decision in policy.decisions.items())
            )


def read_calibrations(path: Path) -> dict[str, Calibration]:
    """None yet where there is no such file: then what a language model decides is referred to a person."""
    try:
        return BY_WAY.validate_json(path.read_bytes()) if path.is_file() else {}
    except (OSError, ValidationError) as error:
        raise PolicyError(f"The calibrations in {path} cannot be used: {error}") from error


def write_calibrations(calibrations: Mapping[str, Calibration], path: Path) -> None:
    """Raises PolicyError where the file cannot be written."""
    try:
        replace_text(path, BY_WAY.dump_json(dict(calibrations), indent=1).decode() + "\n")
    except OSError as error:
        raise PolicyError(f"The calibrations cannot be written to {path}: {error}. {WRITABLE}") from error
