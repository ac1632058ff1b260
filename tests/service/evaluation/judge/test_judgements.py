from pathlib import Path

import pytest

from service.evaluation.judge.judgements import JUDGEMENTS, JudgementsError, keep_judgement, read_judgements
from service.evaluation.store import RunError, read_run
from tests.service.evaluation.judge.small_judgements import both
from tests.service.evaluation.small_evaluation import planted


def test_they_are_read_as_they_were_kept_and_belong_to_the_run(tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=2)
    made = [one for answer in run.answers[:3] for one in both(answer, "right", None)]
    for one in made:
        keep_judgement(run.folder, one)
    assert read_run(run.folder).judgements == tuple(made)


def test_without_a_judge_there_are_none(tmp_path: Path) -> None:
    assert read_judgements(tmp_path) == ()


def test_a_line_that_was_cut_short_is_dropped_at_the_next_one(tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=1)
    first, second = both(run.answers[0], "right")
    keep_judgement(run.folder, first)
    with (run.folder / JUDGEMENTS).open("ab") as file:
        file.write(b'{"cell": {"prom')
    assert read_judgements(run.folder) == (first,)
    keep_judgement(run.folder, second)
    assert read_judgements(run.folder) == (first, second)


def test_a_damaged_line_is_told_with_the_file_to_delete(tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=1)
    (run.folder / JUDGEMENTS).write_text('{"cell": 1}\n')
    with pytest.raises(JudgementsError, match="Delete that file to judge anew"):
        read_judgements(run.folder)
    with pytest.raises(RunError, match=JUDGEMENTS):
        read_run(run.folder)
