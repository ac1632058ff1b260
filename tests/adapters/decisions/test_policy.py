"""The policy: which rule fits first, and how the rules read for one service."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.decisions.pack import POLICY
from adapters.decisions.policy import Facts, Number, Policy, PolicyError, decided, read_policy
from tests.adapters.decisions.conftest import FOLDER

PLAIN = Facts(danger=False, referral=True, visit_notes=True, comfort=False, repeated=False, met=True)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "A2"),
        ({"met": False}, "R1"),
        ({"met": None}, "P3"),
        ({"repeated": True}, "R2"),
        ({"comfort": True, "repeated": True}, "R3"),
        ({"visit_notes": False, "comfort": True}, "P2"),
        ({"referral": False, "visit_notes": False}, "P1"),
        ({"danger": True, "referral": False, "met": False}, "A1"),
    ],
)
def test_the_first_rule_that_fits_decides(policy: Policy, changes: dict[str, bool | None], code: str) -> None:
    assert decided(policy, replace(PLAIN, **changes)) == code  # type: ignore[arg-type]


def test_the_rules_of_a_service_are_whole_sentences_and_say_where_there_is_no_danger(policy: Policy) -> None:
    knee = policy.written(policy.service("MRI of the knee"))
    assert knee[0].startswith("A1 approved: A danger sign is documented: the knee is locked")
    assert not [rule for service in policy.services for rule in policy.written(service) if "{" in rule]
    assert "documented: this service has none." in policy.written(policy.service("home oxygen"))[0]


def test_an_unknown_service_is_refused_with_those_there_are(policy: Policy) -> None:
    with pytest.raises(PolicyError, match="no service 'haircut'; expected one of MRI of the knee"):
        policy.service("haircut")


def test_a_number_is_met_at_its_bound() -> None:
    least, most = Number(unit="weeks", at_least=6), Number(unit="percent", at_most=88)
    assert [least.met(value) for value in (5, 6, 7)] == [False, True, True]
    assert [most.met(value) for value in (87, 88, 89)] == [True, True, False]


@pytest.mark.parametrize(
    "text",
    [
        "rules: []\n",
        "- a list\n",
        "a: [\n",
        "rules: [{code: X, decision: maybe, rule: r}]\nservices: []\n",
        "rules: 2024-99-99\n",
        "[" * 5000,
    ],
    ids=range(6),
)
def test_a_wrong_policy_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    with pytest.raises(PolicyError, match=r"policy\.yaml cannot be used"):
        read_policy(file)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("code: A2", "code: A1", "the code A1 is there twice"),
        ("name: PET scan", "name: home oxygen", "the service home oxygen is there twice"),
        (
            "rule: The referral is missing.",
            "rule: 'Not {reason}.'",
            r"P1 cannot be written for MRI of the knee: 'reason'",
        ),
        ("rule: The referral is missing.", "rule: 'A { alone.'", "P1 cannot be written"),
        ("rule: The referral is missing.", "rule: '{number[unit]}.'", "P1 cannot be written for PET scan"),
        ("at_most: 88", "at_most: -1", "greater than or equal to 0"),
    ],
)
def test_a_policy_that_could_not_be_told_or_obeyed_is_refused(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    text = (FOLDER / POLICY).read_text()
    assert before in text
    (tmp_path / POLICY).write_text(text.replace(before, after, 1))
    with pytest.raises(PolicyError, match=told):
        read_policy(tmp_path / POLICY)


def test_the_hash_follows_what_is_said_and_not_the_comments(tmp_path: Path, policy: Policy) -> None:
    text = (FOLDER / POLICY).read_text()
    (tmp_path / POLICY).write_text(text + "# More to say.\n")
    assert read_policy(tmp_path / POLICY).sha256 == policy.sha256
    (tmp_path / POLICY).write_text(text.replace("at_least: 6", "at_least: 8"))
    assert read_policy(tmp_path / POLICY).sha256 != policy.sha256
