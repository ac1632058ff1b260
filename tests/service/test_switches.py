from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.engines.protocol import AdapterRefused
from service.plan import FACTORS, Exposure, Factor, Layers, Plan
from service.switches import Known, Overrides, SwitchRefused, expose, resolve

CONFIGURED = Layers("house@2", "hospital", "style")
KNOWN = Known(
    prompts=frozenset({"house@1", "house@2"}),
    collections=frozenset({"hospital", "other"}),
    adapters=frozenset({"style@1", "style@2", "tone@1"}),
    promoted={"style": "style@1", "tone": "tone@1"},
)
PLAN = Plan(
    Layers("house@2", "hospital", "style@1"),
    dict.fromkeys(FACTORS, "configuration"),
    max_tokens=200,
    temperature=0.0,
    top_p=1.0,
    seed=0,
)
BARE = Plan(Layers(None, None, None), {}, 200, 0.0, 1.0, 0)


def exposure(factor: Factor, value: str) -> Exposure:
    return Exposure(f"{factor}-test", "arm", "user-1", factor, value)


def test_nothing_asked_changes_nothing() -> None:
    assert resolve(PLAN, Overrides(), CONFIGURED, KNOWN) == PLAN


@pytest.mark.parametrize("switches", product(("on", "off"), repeat=3))
def test_every_combination_of_switches(switches: tuple[str, str, str]) -> None:
    plan = resolve(BARE, Overrides(*switches), CONFIGURED, KNOWN)
    whole = ("house@2", "hospital", "style@1")
    expected = [name if switch == "on" else None for switch, name in zip(switches, whole, strict=True)]
    assert [plan.layers.prompt, plan.layers.retrieval, plan.layers.adapter] == expected
    assert plan.origins == dict.fromkeys(FACTORS, "request")


def test_a_bare_adapter_name_means_the_promoted_version_at_once() -> None:
    assert resolve(BARE, Overrides(adapter="tone"), CONFIGURED, KNOWN).layers.adapter == "tone@1"
    assert resolve(BARE, Overrides(adapter="style@2"), CONFIGURED, KNOWN).layers.adapter == "style@2"


@pytest.mark.parametrize(
    ("overrides", "layer", "known"),
    [
        (Overrides(prompt="house@9"), "prompt", ("house@1", "house@2")),
        (Overrides(retrieval="lunch"), "retrieval", ("hospital", "other")),
        (Overrides(adapter="style@9"), "adapter", ("style@1", "style@2", "tone@1")),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(
    overrides: Overrides, layer: str, known: tuple[str, ...]
) -> None:
    with pytest.raises(SwitchRefused) as refused:
        resolve(PLAN, overrides, CONFIGURED, KNOWN)
    assert (refused.value.layer, refused.value.known) == (layer, known)
    assert known[0] in str(refused.value)


@pytest.mark.parametrize(
    ("overrides", "adapter"),
    [
        (Overrides(adapter_strength=0.5), "style@1*0.5"),
        (Overrides(adapter_strength=1.0), "style@1"),
        (Overrides(adapter_strength=0.0), None),
        (Overrides(adapter="style@2", adapter_strength=1.5), "style@2*1.5"),
        (Overrides(adapter="style*0.5"), "style@1*0.5"),
        (Overrides(adapter="style*0.5", adapter_strength=0.2), "style@1*0.2"),
    ],
)
def test_a_request_sets_the_strength_of_the_adapter_there_is(overrides: Overrides, adapter: str | None) -> None:
    plan = resolve(expose(PLAN, [exposure("adapter", "on")], CONFIGURED, KNOWN), overrides, CONFIGURED, KNOWN)
    assert plan.layers.adapter == adapter
    assert plan.origins["adapter"] == "request"
    assert plan.exposures == ()


def test_there_is_no_strength_of_no_adapter() -> None:
    with pytest.raises(SwitchRefused, match=r"no 'off\*0\.5'"):
        resolve(PLAN, Overrides(adapter="off", adapter_strength=0.5), CONFIGURED, KNOWN)
    with pytest.raises(AdapterRefused, match="switch it off"):
        resolve(PLAN, Overrides(adapter="style*7"), CONFIGURED, KNOWN)


def test_an_arm_can_be_a_strength() -> None:
    plan = expose(PLAN, [exposure("adapter", "style@2*0.5")], CONFIGURED, KNOWN)
    assert plan.layers.adapter == "style@2*0.5"


def test_sampling_is_taken_over_value_by_value() -> None:
    plan = resolve(PLAN, Overrides(max_tokens=5, seed=7), CONFIGURED, KNOWN)
    assert (plan.max_tokens, plan.seed, plan.temperature, plan.top_p) == (5, 7, 0.0, 1.0)
    assert resolve(PLAN, Overrides(temperature=0.0), CONFIGURED, KNOWN).temperature == 0.0


def test_an_experiment_puts_its_arm_and_says_so() -> None:
    plan = expose(PLAN, [exposure("adapter", "off"), exposure("prompt", "house@1")], CONFIGURED, KNOWN)
    assert plan.layers == Layers("house@1", "hospital", None)
    assert plan.origins["adapter"] == "experiment:adapter-test"
    assert plan.origins["retrieval"] == "configuration"
    assert len(plan.exposures) == 2


def test_a_layer_that_the_request_sets_is_in_no_experiment() -> None:
    arms = [exposure("adapter", "off"), exposure("prompt", "on")]
    plan = resolve(expose(PLAN, arms, CONFIGURED, KNOWN), Overrides(adapter="on"), CONFIGURED, KNOWN)
    assert plan.layers.adapter == "style@1"
    assert plan.origins["adapter"] == "request"
    assert [one.factor for one in plan.exposures] == ["prompt"]


switch = st.sampled_from([None, "on", "off", "house@1", "hospital", "style@2", "style", "nothing"])


@given(st.builds(Overrides, prompt=switch, retrieval=switch, adapter=switch))
def test_a_plan_only_ever_names_what_exists(overrides: Overrides) -> None:
    try:
        layers = resolve(PLAN, overrides, CONFIGURED, KNOWN).layers
    except SwitchRefused as refused:
        assert getattr(overrides, refused.layer) not in (None, "on", "off")
        return
    for factor in FACTORS:
        assert getattr(layers, factor) in KNOWN.names(factor) | {None}
