from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.recipe import read_recipe
from configs.load import HOSPITAL
from service.evaluation.design import DesignError, read_design
from service.evaluation.questions import PackQuestion
from service.evaluation.report import type_of
from service.evaluation.selection import drawn, selected
from tests.service.evaluation.small_evaluation import QUESTIONS, many, written

PACK = HOSPITAL.parent


def ids(questions: list[PackQuestion]) -> list[str]:
    return [question.id for question in questions]


def test_the_hospital_asks_only_what_its_adapter_never_saw() -> None:
    design = read_design(PACK / "evaluation.yaml")
    seen = {path.name for path in (PACK / "documents").iterdir()}
    seen -= set(read_recipe(PACK / "adapters" / "house-style.yaml").data.held_back)
    questions = selected(design)
    assert len(questions) > 100
    assert not [question.id for question in questions if seen & set(question.documents)]
    assert {type_of(question, design.types) for question in questions} == {*design.types, "unanswerable"}


def test_the_order_is_drawn_by_the_seed(tmp_path: Path) -> None:
    orders = [ids(selected(read_design(written(tmp_path, many(50), seed=seed)))) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2]) != orders[0]


@given(st.integers(0, 99))
def test_more_questions_do_not_change_who_is_before_whom(seed: int) -> None:
    """So that a larger question file goes on with the same sample."""
    names = [f"q{number}" for number in range(30)]
    order = sorted(names, key=lambda name: drawn(seed, name))
    few = sorted(names[:10], key=lambda name: drawn(seed, name))
    assert [name for name in order if name in few] == few


def test_tags_choose(tmp_path: Path) -> None:
    path = written(tmp_path, questions={"file": "questions.jsonl", "tags": ["visiting", "emergency"]})
    assert sorted(ids(selected(read_design(path)))) == ["breath", "wards"]


def test_tags_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, questions={"file": "questions.jsonl", "tags": ["zebra"]})
    with pytest.raises(DesignError, match="loosen"):
        selected(read_design(path))


def test_an_id_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match="more than one question wards"):
        selected(read_design(written(tmp_path, (*QUESTIONS, QUESTIONS[0]))))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    path = written(tmp_path)
    (tmp_path / "questions.jsonl").unlink()
    with pytest.raises(DesignError, match=r"questions\.jsonl"):
        selected(read_design(path))
