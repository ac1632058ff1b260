from pathlib import Path

import pytest
import yaml

from configs.load import HOSPITAL
from service.evaluation.design import Cell, DesignError, cells_of, read_design
from service.switches import Overrides
from tests.service.evaluation.small_evaluation import VALUES, written

PACK = HOSPITAL.parent
SHIPPED = sorted(PACK.parent.rglob("evaluation*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_every_shipped_evaluation_can_be_read(path: Path) -> None:
    design = read_design(path)
    assert design.questions.file.is_file()
    assert len(cells_of(design.factors)) == 8


def test_the_hospital_has_one() -> None:
    assert PACK / "evaluation.yaml" in SHIPPED


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, questions={"file": "questions.jsonl", "held_back_by": "../recipe.yaml"})
    questions = read_design(path).questions
    assert (questions.file, questions.held_back_by) == (tmp_path / "questions.jsonl", tmp_path / "../recipe.yaml")


def test_the_recipe_of_a_style_too_starts_at_the_file(tmp_path: Path) -> None:
    assert read_design(written(tmp_path, style={"like": "recipe.yaml"})).style.like == tmp_path / "recipe.yaml"


def test_a_guardrail_at_most_is_no_goal(tmp_path: Path) -> None:
    likeness = "style_likeness"
    assert read_design(written(tmp_path, guardrails=[{"metric": likeness, "margin": 0.1}])).guardrails
    with pytest.raises(DesignError, match=r"goal\.metric: Value error, expected a score from 0 to 1"):
        read_design(written(tmp_path, goal={**VALUES["goal"], "metric": likeness}))


def test_a_bare_on_in_yaml_is_the_word(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text().replace("'off'", "off").replace("'on'", "on"))
    assert yaml.safe_load(path.read_text())["factors"]["prompt"] == [False, True], "the trap of YAML 1.1"
    assert read_design(path).factors.prompt == ("off", "on")


def test_a_part_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(f"{path.read_text()}\ngoal: {{}}\n")
    with pytest.raises(DesignError, match="'goal' stands twice"):
        read_design(path)


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    goal = {**VALUES["goal"], "metric": "charm", "smallest_useful": {"prompt": 0.05, "retrieval": -1}}
    path = written(
        tmp_path,
        factors={"prompt": ["on"], "retrieval": ["on", "on"], "adapter": ["off", "on"]},
        goal=goal,
        guardrails=[{"metric": "k_precision", "margin": 0}, {"metric": "joy", "margin": 1, "layers": ["roof"]}],
        colour="blue",
    )
    with pytest.raises(DesignError) as caught:
        read_design(path)
    message = str(caught.value)
    for place in (
        "factors.prompt: ",
        "factors.retrieval: Value error, expected each one once",
        "goal.metric: Value error, expected a score from 0 to 1",
        "goal.smallest_useful.retrieval: ",
        "goal.smallest_useful.adapter: Field required",
        "guardrails.0.margin: ",
        "guardrails.1.metric: Value error, expected one of right, ",
        "guardrails.1.layers.0: ",
        "colour: Extra inputs are not permitted, got 'blue'",
    ):
        assert f"\n  {place}" in message
    assert f"{path} has 9 error(s)" in message


@pytest.mark.parametrize("text", ["factors: [", "- a list", ""])
def test_what_is_no_evaluation_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "evaluation.yaml"
    path.write_text(text)
    with pytest.raises(DesignError, match=r"evaluation\.yaml"):
        read_design(path)


@pytest.mark.parametrize("size", [float("inf"), float("nan")])
def test_a_margin_is_a_finite_number(tmp_path: Path, size: float) -> None:
    with pytest.raises(DesignError, match=r"guardrails\.0\.margin: Input should be a finite number"):
        read_design(written(tmp_path, guardrails=[{"metric": "reading_grade", "margin": size}]))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match="cannot be read"):
        read_design(tmp_path / "none.yaml")


def test_the_reference_is_off_wherever_it_stands(tmp_path: Path) -> None:
    factors = {"prompt": ["house@1", "house@2"], "retrieval": ["on", "off"], "adapter": ["off", "a@1", "a@2"]}
    found = read_design(written(tmp_path, factors=factors)).factors
    assert [found.reference(factor) for factor in ("prompt", "retrieval", "adapter")] == ["house@1", "off", "off"]
    assert found.others("adapter") == ("a@1", "a@2")
    assert len(set(cells_of(found))) == 12


def test_a_cell_is_asked_for_as_a_request_would_greedily() -> None:
    cell = Cell(prompt="off", retrieval="on", adapter="style@2")
    assert cell.overrides(5) == Overrides("off", "on", "style@2", temperature=0.0, seed=5)
