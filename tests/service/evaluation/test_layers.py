"""Where the average over the other layers misleads."""

from dataclasses import replace
from pathlib import Path

import pytest

from service.evaluation.effects import Effect
from service.evaluation.layers import caution, layer_name
from service.evaluation.paired import Interval
from service.evaluation.report import report_of
from tests.service.evaluation.small_evaluation import planted


def last(low: float, high: float) -> Effect:
    return Effect("last", "prompt", (low + high) / 2, Interval(low, high), None, None, None, 1.0, 50, 50)


def test_a_layer_that_only_works_with_the_others_is_not_dropped_in_silence(tmp_path: Path) -> None:
    """The prompt of which the adapter was trained: it harms the base and helps the adapter."""
    run = planted(tmp_path, {"adapter": 0.2}, questions=80)
    answers = tuple(
        one.model_copy(
            update={"scores": {**one.scores, "right": float(one.cell.adapter == one.cell.retrieval == "on")}}
        )
        if one.cell.prompt == "on"
        else one
        for one in run.answers
    )
    report = report_of(replace(run, answers=answers))
    prompt = report.layers[0]
    assert prompt.decision.verdict == "drop"
    assert prompt.caution is not None and prompt.caution in report.sentence
    assert "with the other layers on, prompt adds +" in prompt.caution


def test_a_guardrail_looks_where_the_layer_would_serve(tmp_path: Path) -> None:
    """An adapter that refuses without sources, and answers with them, harms nobody."""
    guardrails = [{"metric": "answered", "margin": 0.1}]
    run = planted(tmp_path, {"adapter": 0.4}, questions=60, guardrails=guardrails)
    answers = tuple(
        one.model_copy(update={"scores": {**one.scores, "answered": float(refuses is False)}})
        for one in run.answers
        for refuses in [one.cell.adapter == "on" and one.cell.retrieval == "off"]
    )
    adapter = report_of(replace(run, answers=answers)).layers[2]
    assert adapter.changes["answered"].mean == -0.5, "on average over the combinations"
    assert adapter.guardrails["answered"].holds
    assert adapter.decision.verdict == "keep"


@pytest.mark.parametrize(
    ("verdict", "effect", "words"),
    [
        ("drop", last(0.1, 0.3), "drop it together with them"),
        ("drop", last(-0.1, 0.3), None),
        ("keep", last(-0.3, -0.1), "keep it only without them"),
        ("keep", last(0.1, 0.3), None),
        ("more", last(0.1, 0.3), None),
        ("drop", replace(last(0.1, 0.3), interval=None), None),
    ],
)
def test_a_caution_needs_the_opposite_to_be_shown(verdict: str, effect: Effect, words: str | None) -> None:
    said = caution("prompt", verdict, effect)  # type: ignore[arg-type]
    assert said is None if words is None else words in str(said)


@pytest.mark.parametrize(
    ("level", "against", "name"),
    [("on", "off", "prompt"), ("house@2", "off", "prompt house@2"), ("b@1", "a@1", "prompt b@1 instead of a@1")],
)
def test_a_layer_is_named_by_what_changes(level: str, against: str, name: str) -> None:
    assert layer_name("prompt", level, against) == name
