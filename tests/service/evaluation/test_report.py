"""Reports of runs in which it is known what a layer does."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.evaluation.metrics.catalogue import COSTS
from service.evaluation.report import Report, report_of
from service.evaluation.store import Run, RunError
from tests.service.evaluation.small_evaluation import planted


@pytest.fixture(scope="module")
def helpful(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The adapter brings much, retrieval something, the prompt nothing."""
    folder = tmp_path_factory.mktemp("helpful")
    return report_of(planted(folder, {"adapter": 0.4, "retrieval": 0.15}, questions=300))


def verdicts(report: Report) -> dict[str, str]:
    return {layer.name: layer.decision.verdict for layer in report.layers}


def test_a_layer_that_helps_is_kept_and_one_that_does_not_is_dropped(helpful: Report) -> None:
    assert verdicts(helpful) == {"prompt": "drop", "retrieval": "keep", "adapter": "keep"}
    assert helpful.sentence.startswith("Keep retrieval and adapter; drop prompt. Over 300 questions the best ")
    assert re.search(r"\(.*retrieval and adapter\) reached \d\d% right answers; no layer at all", helpful.sentence)


def test_the_effect_that_was_planted_is_found(helpful: Report) -> None:
    prompt, retrieval, adapter = (layer.effect for layer in helpful.layers)
    for effect, size in ((prompt, 0.0), (retrieval, 0.2), (adapter, 0.5)):
        assert effect.interval is not None and effect.mean is not None
        assert abs(effect.mean - size) < 0.12
    assert adapter.p_holm is not None and adapter.p_holm < 0.01
    assert prompt.p_holm is not None and prompt.p_holm > 0.05


def test_the_shares_add_up_to_the_whole(helpful: Report) -> None:
    assert sum(layer.shapley.mean or 0 for layer in helpful.layers) == pytest.approx(helpful.total.mean)


def test_a_layer_that_harms_is_dropped(tmp_path: Path) -> None:
    report = report_of(planted(tmp_path, {"adapter": -0.25}, questions=100))
    assert verdicts(report)["adapter"] == "drop"
    assert "lowers the share of right answers" in report.layers[2].decision.sentence


def test_too_few_questions_ask_for_more(tmp_path: Path) -> None:
    report = report_of(planted(tmp_path, {"adapter": 0.1}, questions=12))
    assert set(verdicts(report).values()) == {"more"}
    assert all(layer.decision.more_questions for layer in report.layers)
    assert report.sentence.startswith("Ask more questions about prompt, retrieval and adapter. ")


def test_a_guardrail_that_is_broken_drops_what_helps(tmp_path: Path) -> None:
    report = report_of(planted(tmp_path, {"adapter": 0.4}, questions=100, other={"k_precision": -0.3}))
    adapter = report.layers[2]
    assert adapter.decision.verdict == "drop"
    assert "makes worse than allowed: K-precision" in adapter.decision.sentence
    assert adapter.guardrails["K-precision"].harmed


def test_a_guardrail_that_nothing_can_measure_does_not_block(tmp_path: Path) -> None:
    """K-precision needs sources on both sides, which retrieval itself can never have."""
    guardrails = [{"metric": "k_precision", "margin": 0.05}]
    report = report_of(planted(tmp_path, {"retrieval": 0.4}, questions=100, guardrails=guardrails))
    retrieval = report.layers[1]
    assert (retrieval.decision.verdict, retrieval.unmeasured) == ("keep", ("K-precision",))


def test_less_use_of_the_sources_is_said(tmp_path: Path) -> None:
    less = report_of(planted(tmp_path / "less", {}, questions=40, other={"k_coverage": -0.2, "k_precision": 0.1}))
    assert "the model says less of what its sources hold" in less.source_use.sentence
    assert "and more of its words stand in its sources" in less.source_use.sentence
    same = report_of(planted(tmp_path / "same", {}, questions=40))
    assert "neither clearly more nor clearly less of what its sources hold" in same.source_use.sentence


def test_costs_are_told_for_a_right_answer(helpful: Report) -> None:
    for one in helpful.combinations:
        right = (one.means["right"].value or 0) * one.means["right"].count
        assert one.per_right["milliseconds"] == pytest.approx(1000.0 * 300 / right)
        assert one.statuses == {"answered": 300}
        assert one.slow == 1000.0


def test_what_no_answer_tells_costs_nothing_known(tmp_path: Path) -> None:
    run = planted(tmp_path, {"adapter": 0.4}, questions=25)
    answers = tuple(one.model_copy(update={"scores": one.scores | {"joules": None}}) for one in run.answers)
    assert {one.per_right["joules"] for one in report_of(replace(run, answers=answers)).combinations} == {None}


def test_the_cost_counts_training_and_names_the_break_even(tmp_path: Path) -> None:
    cost = {"requests_a_day": 100, "days": 10, "minutes": {"retrieval": 1}}
    report = report_of(planted(tmp_path, {"adapter": 0.4, "retrieval": 0.2}, questions=60, cost=cost))
    by_cell = {one.cell.label: one for one in report.spent}
    assert by_cell["prompt off, retrieval on, adapter off"].once == 60_000
    assert by_cell["prompt off, retrieval off, adapter off"].once == 0
    assert len(report.break_evens) == 6
    json.dumps(report.as_dict(), allow_nan=False)


def test_another_cost_is_the_same_run(tmp_path: Path) -> None:
    costs = [{"requests_a_day": each, "days": 10} for each in (100, 1000)]
    first, second = (planted(tmp_path, {"adapter": 0.4}, questions=20, cost=cost) for cost in costs)
    assert first.id == second.id
    assert second.design.cost is not None and second.design.cost.requests_a_day == 1000


def test_without_a_right_answer_none_has_a_cost(tmp_path: Path) -> None:
    report = report_of(planted(tmp_path, {"prompt": -1, "retrieval": -1, "adapter": -1}, questions=25))
    assert report.combinations[-1].means["right"].value == 0
    assert report.combinations[-1].per_right == dict.fromkeys(COSTS)
    json.dumps(report.as_dict(), allow_nan=False)


def test_examples_show_answers_that_the_layer_changed(helpful: Report) -> None:
    adapter = [example for example in helpful.examples if example.factor == "adapter"]
    assert adapter
    for example in adapter:
        assert example.with_layer.cell.adapter == "on" and example.without.cell.adapter == "off"
        assert example.without.cell.retrieval == example.with_layer.cell.retrieval == "on"
        assert example.change == (example.with_layer.scores["right"] or 0) - (example.without.scores["right"] or 0)
        assert example.change != 0


def test_each_type_has_its_own_effects(helpful: Report) -> None:
    assert [(one.name, one.questions) for one in helpful.types] == [("visiting", 300)]
    assert helpful.types[0].effects["adapter"].mean == pytest.approx(helpful.layers[2].effect.mean)


def test_json_has_no_nan_and_everything_that_is_drawn(helpful: Report) -> None:
    values = json.loads(json.dumps(helpful.as_dict(), allow_nan=False))
    assert values["sentence"] == helpful.sentence
    assert [layer["name"] for layer in values["layers"]] == ["prompt", "retrieval", "adapter"]
    assert len(values["combinations"]) == 8
    assert values["combinations"][0]["cell"] == {"prompt": "off", "retrieval": "off", "adapter": "off"}
    assert values["design"]["goal"]["metric"] == "right"


def test_the_same_run_gives_the_same_report(helpful: Report) -> None:
    assert report_of(helpful.run).as_dict() == helpful.as_dict()


def test_a_third_level_is_reported_against_off(tmp_path: Path) -> None:
    factors = {"prompt": ["off", "on"], "retrieval": ["off", "on"], "adapter": ["off", "a@1", "a@2"]}
    report = report_of(planted(tmp_path, {"adapter": 0.4}, questions=61, factors=factors))
    assert [layer.name for layer in report.layers] == ["prompt", "retrieval", "adapter a@1", "adapter a@2"]
    assert [layer.decision.verdict for layer in report.layers[2:]] == ["keep", "keep"]
    assert report.layers[2].effect != report.layers[3].effect
    assert any("more than two levels" in limit for limit in report.limits)


def cut(run: Run, count: int) -> Run:
    return replace(run, answers=run.answers[:count])


def test_a_run_in_its_first_combinations_says_how_to_go_on(helpful: Report) -> None:
    with pytest.raises(RunError, match="`triptych evaluate run` goes on"):
        report_of(cut(helpful.run, 1000))


def test_an_incomplete_run_says_so(helpful: Report) -> None:
    report = report_of(cut(helpful.run, 7 * 300 + 40))
    assert (report.questions, report.planned) == (40, 300)
    assert report.limits[0] == "The run is not complete: 40 of 300 questions were asked in all 8 cells."


@pytest.mark.parametrize("key", ["prompt", "retrieval", "adapter"])
def test_what_was_declared_decides(tmp_path: Path, key: str) -> None:
    """The same answers with another smallest useful effect are another decision."""
    goal: dict[str, Any] = {"metric": "right", "margin": 0.03}
    useful = {"prompt": 0.05, "retrieval": 0.05, "adapter": 0.05} | {key: 0.9}
    report = report_of(
        planted(tmp_path, {key: 0.4}, questions=80, goal={**goal, "smallest_useful": useful}),
    )
    assert verdicts(report)[key] == "drop"


def test_layers_that_do_nothing_are_hardly_ever_kept(tmp_path: Path) -> None:
    """One in forty by chance: of 30 verdicts, four or more would come up once in a hundred such tests."""
    reports = [report_of(planted(tmp_path / str(seed), {}, questions=30, noise=seed)) for seed in range(10)]
    found = [verdict for report in reports for verdict in verdicts(report).values()]
    assert found.count("keep") <= 3
    assert found.count("more") + found.count("drop") >= 27
