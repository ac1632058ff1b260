"""The policy: which rule fits first, and how the rules read for one service."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.decisions.policy import Facts, Number, Policy, PolicyError, decided, read_policy

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
    "text", ["rules: []\n", "- a list\n", "a: [\n", "rules: [{code: X, decision: maybe, rule: r}]\nservices: []\n"]
)
def test_a_wrong_policy_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    with pytest.raises(PolicyError, match=r"policy\.yaml cannot be used"):
        read_policy(file)
