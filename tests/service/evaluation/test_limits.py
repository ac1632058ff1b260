from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.evaluation.design import cells_of
from service.evaluation.grid import grid_of
from service.evaluation.house_style import Learnt
from service.evaluation.limits import ALWAYS, limits
from service.evaluation.store import Run
from tests.service.evaluation.small_evaluation import planted


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted(tmp_path_factory.mktemp("run"), {}, questions=4)


def told(run: Run) -> str:
    cells = cells_of(run.design.factors)
    return "\n".join(limits(run, grid_of(run, cells), len(cells)))


def test_what_is_always_true_is_always_said(run: Run) -> None:
    assert all(sentence in told(run) for sentence in ALWAYS)
    assert "The run is not complete" not in told(run)


def test_answers_made_together_can_differ(run: Run) -> None:
    alone = replace(run, design=run.design.model_copy(update={"concurrency": 1}))
    assert "share the engine's arithmetic" in told(run)
    assert "share the engine's arithmetic" not in told(alone)


def test_documents_that_training_may_have_seen_are_named(run: Run) -> None:
    questions = run.design.questions.model_copy(update={"held_back_by": Path("recipe.yaml")})
    held_back = replace(run, design=run.design.model_copy(update={"questions": questions}))
    assert "may have been trained on" in told(run)
    assert "may have been trained on" not in told(held_back)


def test_failed_and_degraded_answers_are_counted(run: Run) -> None:
    first, second, *others = run.answers
    failed = first.model_copy(update={"status": "failed", "failed": "no room"})
    degraded = second.model_copy(update={"manifest": {"retrieval_degraded": True}})
    text = told(replace(run, answers=(failed, degraded, *others)))
    assert "Failed answers, which count as not right: 1;" in text
    assert "Answers that were made with a degraded index: 1." in text


@pytest.mark.parametrize(
    ("learnt", "words"),
    [
        ({"auc": 0.85, "interval": (0.82, 0.87)}, "scored above them in 85% of pairs (82% to 87%)"),
        ({"missing": "too little to learn a style from"}, "has no value: too little to learn a style from."),
    ],
)
def test_how_far_the_style_likeness_can_be_trusted(run: Run, learnt: dict[str, Any], words: str) -> None:
    style = Learnt(examples=60, documents=12, sha256="h", **learnt)
    assert "Style likeness" not in told(run)
    assert words in told(replace(run, setup=run.setup.model_copy(update={"style": style})))
