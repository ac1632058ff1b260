from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.evaluation.design import Cell, cells_of
from service.evaluation.grid import Grid, grid_of
from service.evaluation.mistakes import mistakes
from service.evaluation.report import report_of
from service.evaluation.report_page import as_page
from service.evaluation.store import Run
from tests.service.evaluation.small_evaluation import planted

ALL_ON = Cell(prompt="on", retrieval="on", adapter="on")
NO_ADAPTER = Cell(prompt="on", retrieval="on", adapter="off")
GOOD = {"right": 1.0, "recall_at_k": 1.0, "refused": None}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted(tmp_path_factory.mktemp("run"), {}, questions=8)


def found(run: Run, cell: Cell, count: int, scores: dict[str, Any] | None = None, **changes: Any) -> list[str]:
    """What is found where all is well but for `count` answers of one cell."""
    grid = grid_of(run, cells_of(run.design.factors))
    good = {
        key: one.model_copy(update={"cited": ("a.md",), "scores": one.scores | GOOD})
        for key, one in grid.answers.items()
    }
    for question in grid.questions[:count]:
        one = good[cell, question.id]
        good[cell, question.id] = one.model_copy(update={"scores": one.scores | (scores or {}), **changes})
    return mistakes(run.design.factors, Grid(grid.questions, good))


def test_where_all_is_well_nothing_is_found(run: Run) -> None:
    assert found(run, ALL_ON, 0) == []


@pytest.mark.parametrize(
    ("cell", "enough", "changes", "named"),
    [
        (ALL_ON, 1, {"status": "failed"}, "Prompt too long: 1 of 64"),
        (
            NO_ADAPTER,
            5,
            {"cited": ()},
            "Instructions that are ignored: with prompt and retrieval but no adapter, 62%",
        ),
        (ALL_ON, 3, {"scores": {"right": 0.5}}, "Passages that become no answers: with all layers on, 38%"),
    ],
)
def test_each_mistake_is_named_and_only_beyond_chance(
    run: Run, cell: Cell, enough: int, changes: dict[str, Any], named: str
) -> None:
    (sentence,) = found(run, cell, enough, **changes)
    assert sentence.startswith(named)
    assert found(run, cell, enough - 1, **changes) == []


def test_questions_without_an_answer_that_get_one(run: Run) -> None:
    refused, answered = {"refused": 1.0}, {"refused": 0.0}
    (sentence,) = found(run, ALL_ON, 6, answered)
    assert sentence.startswith("Answers where there is none: with all layers on, 100%")
    assert found(run, ALL_ON, 6, refused) == []
    # Too few tell nothing.
    assert found(run, ALL_ON, 4, answered) == []


def test_passages_that_were_not_shown_are_no_mistake_of_the_model(run: Run) -> None:
    assert found(run, ALL_ON, 8, {"right": 0.0, "recall_at_k": 0.0}) == []


def test_the_report_names_them(tmp_path: Path) -> None:
    report = report_of(planted(tmp_path, {"adapter": 0.1}, questions=12))
    named = replace(report, mistakes=("Prompt too long: 3 of 96 answers failed.",))
    assert "Prompt too long: 3 of 96" in as_page(named)
    assert "Found in this set-up" not in as_page(replace(report, mistakes=()))
