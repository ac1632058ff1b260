"""Who keeps an arm: GrowthBook's published sticky buckets, and no flip whatever is changed meanwhile."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.slot import Namespace, Slot
from service.experiments.assign import Arm, Experiment, arm_of, assign
from service.plan import Exposure
from tests.service.experiments.test_assign import cases

ARMS = ("red", "green", "blue")
SPANISH = Slot(only={"language": ("es",), "ward": ("4 West", "5 East")})
UNITS = [f"user-{number}" for number in range(500)]


def of_shares(*shares: float, **changes: Any) -> Experiment:
    arms = tuple(Arm(name, "on", share) for name, share in zip(ARMS, shares, strict=False))
    return replace(Experiment("spring", "adapter", "s", 1.0, arms), **changes)


HALVES = of_shares(0.5, 0.5)


def arm_given(
    experiment: Experiment, unit: str, past: Sequence[Exposure] = (), attributes: Mapping[str, str] | None = None
) -> str | None:
    found = assign([experiment], unit, attributes or {}, past)
    return found[0].arm if found else None


def exposed(arm: str, version: int = 0, experiment: str = "spring", unit: str = "ann") -> Exposure:
    return Exposure(experiment, arm, unit, "adapter", "on", version)


def published(rule: Mapping[str, Any], feature: str) -> Experiment:
    """An experiment as GrowthBook writes it."""
    names = [one["key"] for one in rule["meta"]]
    arms = tuple(Arm(name, "on", share) for name, share in zip(names, rule["weights"], strict=True))
    return Experiment(
        key=rule["key"],
        factor="adapter",
        seed=rule["seed"],
        coverage=rule["coverage"],
        arms=arms,
        slot=Slot(only={name: (value,) for name, value in rule["condition"].items()}),
        sticky=not rule.get("disableStickyBucketing", False),
        bucket_version=rule["bucketVersion"],
        min_bucket_version=rule.get("minBucketVersion", 0),
    )


def past_of(documents: Sequence[Mapping[str, Any]], attribute: str, unit: str) -> list[Exposure]:
    """GrowthBook's documents of this unit, as exposures."""
    own = [one for one in documents if (one["attributeName"], one["attributeValue"]) == (attribute, unit)]
    keys = [(key.rpartition("__"), arm) for one in own for key, arm in one["assignments"].items()]
    return [Exposure(key, arm, unit, "adapter", "on", int(version)) for (key, _, version), arm in keys]


def test_published_sticky_buckets() -> None:
    """All of hashing version 2, but for the one that moves a document from one id of a user to another."""
    tried = 0
    for name, context, documents, feature, expected, _ in cases("stickyBucket"):
        [rule] = context["features"][feature]["rules"]
        attributes = context["attributes"]
        attribute = rule["hashAttribute"] if rule["hashAttribute"] in attributes else rule["fallbackAttribute"]
        if rule.get("hashVersion") != 2 or name.startswith("upgrades"):
            continue
        unit = attributes[attribute]
        past = past_of(documents, attribute, unit)
        arm = arm_given(published(rule, feature), unit, past, attributes)
        assert arm == (expected and expected["key"]), name
        tried += 1
    assert tried == 11


CHANGED = st.fixed_dictionaries(
    {
        "shares": st.sampled_from([(0.5, 0.5, 0), (0, 0, 1), (0.1, 0.8, 0.1), (0, 1, 0), (0.34, 0.33, 0.33)]),
        "coverage": st.floats(0, 1),
        "slot": st.sampled_from([Slot(), SPANISH, Slot(Namespace("n", 0, 0.2)), Slot(Namespace("n", 0.9, 1))]),
    }
)


@given(st.text(st.characters(max_codepoint=127), min_size=1), st.lists(CHANGED, min_size=1, max_size=8))
def test_whoever_was_exposed_never_flips(unit: str, changes: list[dict[str, Any]]) -> None:
    """Each step has other shares, coverage, namespace and targeting; none of them moves the unit again."""
    past: list[Exposure] = []
    for change in changes:
        one = of_shares(*change["shares"], coverage=change["coverage"], slot=change["slot"])
        past += assign([one], unit, {}, past)
        assert len({exposure.arm for exposure in past}) <= 1
        assert not past or arm_given(one, unit, past) == past[0].arm


@given(st.sampled_from(UNITS), st.sampled_from(ARMS), st.integers(0, 3), st.integers(0, 3))
def test_a_kept_arm_is_of_its_own_version(unit: str, arm: str, then: int, now: int) -> None:
    drawn = of_shares(0.2, 0.3, 0.5, bucket_version=now)
    fresh = arm_of(drawn, unit)
    assert fresh
    assert arm_given(drawn, unit, [exposed(arm, then, unit=unit)]) == (arm if then == now else fresh.name)


@given(st.integers(0, 4), st.integers(0, 4))
def test_who_was_exposed_under_a_version_too_old_is_out(then: int, least: int) -> None:
    one = of_shares(0.5, 0.5, bucket_version=4, min_bucket_version=least)
    # The version of today does not help who met an old one, too.
    past = [exposed("red", then), exposed("red", 4)]
    assert arm_given(one, "ann", past) == (None if then < least else "red")
    assert arm_given(one, "ann", [exposed("red", then, experiment="autumn")]) is not None


def test_shares_turned_round_move_nobody_and_a_new_version_draws_again() -> None:
    past = {unit: assign([HALVES], unit, {}, ()) for unit in UNITS}
    turned = of_shares(0.1, 0.9)
    assert all(arm_given(turned, unit, past[unit]) == past[unit][0].arm for unit in UNITS)
    again = replace(turned, bucket_version=1)
    arms = Counter(arm_given(again, unit, past[unit]) for unit in UNITS)
    assert arms["green"] / len(UNITS) == pytest.approx(0.9, abs=0.05)
    given = {one.bucket_version for unit in UNITS for one in assign([again], unit, {}, past[unit])}
    assert given == {1}


def test_who_is_not_sticky_follows_the_shares() -> None:
    assert {arm_given(of_shares(0, 1, sticky=False), unit, [exposed("red")]) for unit in UNITS} == {"green"}


def test_an_arm_that_is_gone_is_drawn_anew_and_the_new_one_kept() -> None:
    past = [exposed("blue")]
    assert arm_given(of_shares(1, 0), "ann", past) == "red"
    past.append(exposed("red"))
    # The arm is there again, and the unit stays.
    assert arm_given(of_shares(0, 0, 1), "ann", past) == "red"


def test_only_who_matches_every_attribute_is_taken_and_stays() -> None:
    one = replace(HALVES, slot=SPANISH)
    taken = [
        {"language": "es", "ward": "4 West"},
        {"language": "es", "ward": "5 East", "more": "x"},
    ]
    others: list[dict[str, str]] = [
        {},
        {"language": "es"},
        {"language": "ES", "ward": "4 West"},
        {"ward": "4 West"},
    ]
    assert all(arm_given(one, "ann", (), attributes) for attributes in taken)
    assert not any(arm_given(one, "ann", (), attributes) for attributes in others)
    assert all(arm_given(one, "ann", [exposed("green")], attributes) == "green" for attributes in others)


def test_on_one_layer_a_kept_arm_stands_alone() -> None:
    """The namespace's border moved over the unit: the second experiment would take it now."""
    first = replace(HALVES, slot=Slot(Namespace("n", 0, 0.0001)))
    second = replace(HALVES, key="summer", slot=Slot(Namespace("n", 0.0001, 1)))
    assert [one.experiment for one in assign([first, second], "ann", {}, [])] == ["summer"]
    for order in ([first, second], [second, first]):
        assert [one.experiment for one in assign(order, "ann", {}, [exposed("red")])] == ["spring"]
    other_layer = replace(second, factor="prompt")
    assert {one.experiment for one in assign([first, other_layer], "ann", {}, [exposed("red")])} == {
        "spring",
        "summer",
    }
