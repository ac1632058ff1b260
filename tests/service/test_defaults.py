from dataclasses import replace

import pytest

from service.plan import FACTORS, Exposure, Layers
from service.switches import Known, Overrides, SwitchRefused
from tests.service.parts import DEFAULTS

KNOWN = Known(
    prompts=frozenset({"house@1", "house@2"}),
    collections=frozenset({"hospital"}),
    adapters=frozenset({"style@1"}),
    promoted={"style": "style@1"},
)
NEW = Exposure("prompt-2026", "new", "ann", "prompt", "house@2")


def test_without_a_word_the_configuration_decides() -> None:
    plan = DEFAULTS.plan(Overrides(), KNOWN)
    assert plan.layers == Layers("house@1", "hospital", "style@1")
    assert plan.origins == dict.fromkeys(FACTORS, "configuration")
    assert (plan.max_tokens, plan.exposures) == (80, ())


def test_a_layer_that_is_off_can_be_asked_for() -> None:
    off = replace(DEFAULTS, switches=dict.fromkeys(FACTORS, "off"))
    assert off.plan(Overrides(), KNOWN).layers == Layers(None, None, None)
    assert off.plan(Overrides(adapter="on"), KNOWN).layers == Layers(None, None, "style@1")


def test_the_request_beats_the_experiment_and_that_the_configuration() -> None:
    assigned = DEFAULTS.plan(Overrides(), KNOWN, [NEW])
    assert assigned.origins["prompt"] == "experiment:prompt-2026"
    assert (assigned.layers.prompt, assigned.exposures) == ("house@2", (NEW,))
    asked = DEFAULTS.plan(Overrides(prompt="off"), KNOWN, [NEW])
    assert (asked.layers.prompt, asked.origins["prompt"], asked.exposures) == (None, "request", ())


def test_a_configuration_that_names_nothing_is_refused() -> None:
    with pytest.raises(SwitchRefused):
        replace(DEFAULTS, layers=Layers("house@9", "hospital", "style")).plan(Overrides(), KNOWN)


def test_a_page_learns_what_it_can_switch() -> None:
    told = DEFAULTS.as_dict(KNOWN)
    assert told["layers"] == {
        "prompt": {"switch": "on", "name": "house@1", "known": ["house@1", "house@2"]},
        "retrieval": {"switch": "on", "name": "hospital", "known": ["hospital"]},
        "adapter": {"switch": "on", "name": "style", "known": ["style@1"]},
    }
    assert told["sampling"] == {"max_tokens": 80, "temperature": 0.0, "top_p": 1.0, "seed": 0}
