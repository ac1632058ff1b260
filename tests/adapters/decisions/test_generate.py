"""The generator: repeatable, mostly as the policy says, and with wordings that training never sees."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from adapters.decisions.generate import NOISE, Phrases, generated, read_phrases
from adapters.decisions.pack import RECORDS
from adapters.decisions.policy import Number, Policy, PolicyError
from adapters.decisions.records import Record, split_of, write_records
from tests.adapters.decisions.conftest import FOLDER


def test_the_shipped_records_are_made_by_the_shipped_policy(
    tmp_path: Path, policy: Policy, phrases: Phrases
) -> None:
    write_records(generated(policy, phrases, 2600, 7), tmp_path / "records.jsonl")
    assert (tmp_path / "records.jsonl").read_bytes() == (FOLDER / RECORDS).read_bytes()


def test_another_seed_makes_other_records(policy: Policy, phrases: Phrases, records: list[Record]) -> None:
    assert generated(policy, phrases, 400, 3) == records
    assert generated(policy, phrases, 400, 4) != records


def test_every_service_has_phrases(policy: Policy, phrases: Phrases) -> None:
    for service in policy.services:
        words = phrases.services[service.name]
        assert bool(words.told) == bool(service.number)
        assert bool(words.met and words.unmet) != bool(service.number)
        assert bool(words.danger) == bool(service.danger)
        assert all("{n}" in phrase for phrase in words.told)


def test_few_records_are_decided_against_what_they_say(policy: Policy, records: list[Record]) -> None:
    """Seen where a field alone decides: a missing referral is pending, unless a danger sign is told."""
    missing = [record for record in records if record.referral == "missing"]
    wrong = [record for record in missing if record.reason_code not in ("P1", "A1")]
    assert len(wrong) <= len(missing) * NOISE * 3


def test_the_last_wording_is_for_the_test_and_the_one_before_for_the_calibration(
    phrases: Phrases, records: list[Record]
) -> None:
    *_, calibration, test = phrases.comfort
    assert {split_of(record.id) for record in records if test in record.note} <= {"test"}
    assert {split_of(record.id) for record in records if calibration in record.note} <= {"calibration"}


def test_wrong_phrases_are_refused(tmp_path: Path) -> None:
    (tmp_path / "phrases.yaml").write_text("opening: 1\n")
    with pytest.raises(PolicyError, match=r"phrases\.yaml cannot be used"):
        read_phrases(tmp_path / "phrases.yaml")


@pytest.mark.parametrize("text", ["opening: 2024-99-99\n", "[" * 5000], ids=["date", "deep"])
def test_phrases_that_are_no_phrases_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "phrases.yaml").write_text(text)
    with pytest.raises(PolicyError, match=r"phrases\.yaml cannot be used"):
        read_phrases(tmp_path / "phrases.yaml")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"comfort": ["One."]}, "at least 3 items"),
        ({"distractor": ["{n} stairs.", "b", "c"]}, "cannot be told: 'n'. It may hold {other}"),
        ({"services": {"PET scan": {"told": ["{age}", "b", "c"]}}}, "cannot be told: 'age'. It may hold {n}"),
        ({"opening": ["long " * 50, "b", "c"]}, "at most 170 characters"),
    ],
)
def test_phrases_that_could_not_be_told_are_refused(
    tmp_path: Path, phrases: Phrases, changes: dict[str, Any], told: str
) -> None:
    values = {**phrases.model_dump(mode="json", exclude={"services"}), "services": {"PET scan": {}}, **changes}
    (tmp_path / "phrases.yaml").write_text(json.dumps(values))
    with pytest.raises(PolicyError, match=re.escape(told)):
        read_phrases(tmp_path / "phrases.yaml")


def test_a_service_without_its_phrases_is_named(policy: Policy, phrases: Phrases) -> None:
    knee, back = (phrases.services[name] for name in ("MRI of the knee", "MRI of the lower back"))
    services = {"MRI of the knee": knee.model_copy(update={"told": ()}), "MRI of the lower back": back}
    few = phrases.model_copy(update={"services": services})
    with pytest.raises(PolicyError, match=r"`services`: MRI of the knee: told; PET scan: met, unmet; "):
        generated(policy, few, 1, 7)


@pytest.mark.parametrize("number", [Number(unit="weeks", at_most=2), Number(unit="weeks", at_least=990)])
def test_numbers_near_the_ends_of_a_record_s_are_told(phrases: Phrases, policy: Policy, number: Number) -> None:
    knee = policy.services[0].model_copy(update={"number": number, "repeat_months": 900})
    for one in generated(policy.model_copy(update={"services": (knee,)}), phrases, 200, 7):
        assert one.measured is None or 0 <= one.measured <= 1000
