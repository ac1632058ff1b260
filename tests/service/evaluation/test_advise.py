from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.advise import Advised, Situation, SituationError, advise, read_situation, situation_of
from service.evaluation.report import Report, report_of
from tests.service.evaluation.small_evaluation import planted

HOSPITAL: dict[str, Any] = {
    "examples": 1500,
    "facts_change": "monthly",
    "cite": True,
    "consistency": "strict",
    "regulated": True,
    "first_token_ms": 800,
    "training_hours": 8,
}


@pytest.fixture(scope="module")
def helpful(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The adapter brings much, retrieval something, the prompt nothing."""
    folder = tmp_path_factory.mktemp("helpful")
    return report_of(planted(folder, {"adapter": 0.4, "retrieval": 0.15}, questions=300))


def uses(advised: Advised) -> dict[str, str]:
    return {one.layer: one.use for one in advised.layers}


@pytest.mark.parametrize(
    ("changes", "layer", "use", "why"),
    [
        ({}, "prompt", "use", "costs nothing"),
        ({}, "retrieval", "use", "only a retrieved passage can be cited"),
        ({"cite": False}, "retrieval", "use", "change monthly"),
        ({"cite": False, "facts_change": "never", "regulated": False}, "retrieval", "leave out", "never change"),
        ({"first_token_ms": 200}, "retrieval", "use", "whether 200 ms hold"),
        ({}, "adapter", "use", "1500 examples are enough"),
        ({"examples": 120}, "adapter", "not yet", "380 more are needed"),
        ({"training_hours": 0.5}, "adapter", "not yet", "training takes"),
        ({"consistency": "free"}, "adapter", "leave out", "nobody asks for one tone"),
    ],
)
def test_each_answer_has_its_part(changes: dict[str, Any], layer: str, use: str, why: str) -> None:
    advised = advise(situation_of(HOSPITAL | changes), None)
    (advice,) = [one for one in advised.layers if one.layer == layer]
    assert advice.use == use
    assert any(why in reason for reason in advice.reasons)


def test_before_a_run_the_next_step_is_a_run() -> None:
    assert "triptych evaluate run" in advise(situation_of(HOSPITAL), None).next_steps[0]


def test_where_checklist_and_measurement_disagree_it_says_so(helpful: Report) -> None:
    advised = advise(situation_of(HOSPITAL), helpful.layers)
    prompt, retrieval, adapter = advised.layers
    assert (prompt.disagrees, retrieval.disagrees, adapter.disagrees) == (True, False, False)
    assert adapter.measured is not None and adapter.measured.startswith("Keep adapter")
    assert "disagree on prompt: the checklist says use it" in advised.next_steps[0]
    assert "someone who is responsible" in advised.next_steps[-1]


def test_a_measurement_that_is_not_of_one_mind_is_not_simply_believed(helpful: Report) -> None:
    prompt, *others = helpful.layers
    torn = replace(prompt, caution="But with the other layers on, prompt adds +0.4.")
    advised = advise(situation_of(HOSPITAL), [torn, *others])
    assert "Decide on the layers together" in advised.next_steps[0]
    assert "Believe the measurement" not in advised.next_steps[0]


def test_a_layer_that_pays_is_not_left_out_in_silence(helpful: Report) -> None:
    advised = advise(situation_of(HOSPITAL | {"examples": 10}), helpful.layers)
    assert uses(advised)["adapter"] == "not yet"
    assert advised.layers[2].disagrees


def test_too_few_questions_are_the_next_step(tmp_path: Path) -> None:
    report = report_of(planted(tmp_path, {"adapter": 0.1}, questions=12))
    advised = advise(situation_of(HOSPITAL | {"regulated": False}), report.layers)
    assert len(advised.next_steps) == 3
    assert all("more questions to decide on" in step for step in advised.next_steps)


@given(st.integers(0, 5000), st.floats(0, 100))
def test_an_adapter_is_never_advised_without_examples_and_time(examples: int, hours: float) -> None:
    advised = advise(situation_of(HOSPITAL | {"examples": examples, "training_hours": hours}), None)
    assert (uses(advised)["adapter"] == "use") == (examples >= 500 and hours >= 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("examples: many", "examples: Input should be a valid integer"),
        ("[1, 2]", "valid dictionary"),
        ("examples: 1\nbudget: 3", "budget: Extra inputs are not permitted"),
        ("examples: [", "cannot be used"),
    ],
)
def test_a_file_with_faults_names_them(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "situation.yaml"
    file.write_text(text)
    with pytest.raises(SituationError, match=message):
        read_situation(file)


def test_every_question_can_be_asked() -> None:
    assert all(field.description and field.description.endswith("?") for field in Situation.model_fields.values())
