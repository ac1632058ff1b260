"""Another measure of style for a kept run: a run of its own, everything else as it was."""

from pathlib import Path

import numpy as np
import pytest

from service.evaluation.design import Style
from service.evaluation.house_style import HouseStyle, Learnt, StyleClassifier
from service.evaluation.report import report_of
from service.evaluation.rescore import rescored
from service.evaluation.score import STYLE
from service.evaluation.store import ANSWERS, Run, read_run
from tests.service.evaluation.small_evaluation import planted

HOUSE = HouseStyle(
    Learnt(examples=60, documents=12, sha256="h", auc=0.9, interval=(0.8, 0.95)),
    StyleClassifier({"you": 0}, np.ones(1, dtype=np.float32), 0.0),
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = planted(tmp_path, {"adapter": 0.3}, questions=6)
    lines = [answer.model_copy(update={"text": "You may come to us at ten."}) for answer in made.answers]
    lines[0] = lines[0].model_copy(update={"status": "failed", "failed": "no room"})
    lines[1] = lines[1].model_copy(update={"status": "refused"})
    (made.folder / ANSWERS).write_text("".join(f"{one.model_dump_json()}\n" for one in lines))
    return read_run(made.folder)


def test_only_the_style_is_another(run: Run) -> None:
    made = rescored(run, Style(words=3), HOUSE)
    for before, after in zip(run.answers, made.answers, strict=True):
        assert after.model_copy(update={"scores": {}, "missing": {}}) == before.model_copy(
            update={"scores": {}, "missing": {}}
        )
        changed = {name for name, value in after.scores.items() if before.scores[name] != value}
        assert changed <= set(STYLE)
        assert after.missing.keys() == {name for name, value in after.scores.items() if value is None}
    assert made.answers[0].missing["style_likeness"] == "no room"
    assert made.answers[1].missing["style_likeness"] == "no model gave an answer with content"
    assert made.answers[2].scores["style_likeness"] == pytest.approx(1 / (1 + np.exp(-1)))
    assert made.answers[2].scores["on_style"] == pytest.approx(2 / 3), "it is longer than three words"


def test_it_is_another_run_of_the_same_day(run: Run) -> None:
    made = rescored(run, Style(), HOUSE)
    assert made.id != run.id
    assert (made.created, made.questions) == (run.created, run.questions)
    assert made.setup.style == HOUSE.learnt
    assert made.made_from["style_texts"] == "h"
    assert read_run(run.folder) == run, "the old one stays"
    assert any("Style likeness was learnt" in limit for limit in report_of(made).limits)


def test_the_way_back_leads_to_the_run_that_is_there(run: Run) -> None:
    made = rescored(run, Style(), HOUSE)
    assert rescored(made, run.design.style, None) == run
    assert rescored(made, Style(), HOUSE) == made


def test_what_was_not_written_to_its_end_is_written_again(run: Run) -> None:
    made = rescored(run, Style(), HOUSE)
    (made.folder / "meta.json").unlink()
    assert rescored(run, Style(), HOUSE) == made
