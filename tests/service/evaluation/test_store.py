import json
from pathlib import Path

import pytest

from service.evaluation.compare import compare
from service.evaluation.questions import QuestionsError, read_questions
from service.evaluation.report import report_of
from service.evaluation.store import ANSWERS, META, QUESTIONS, RunError, find_run, opened_run, read_run, run_id
from tests.service.evaluation.small_evaluation import planted


def test_the_id_is_made_of_everything_that_decides() -> None:
    made = {"base": "b", "prompts": {"house@1": "p", "house@2": "q"}, "margin": 0.1}
    assert run_id(made) == run_id({"margin": 0.1, "prompts": {"house@2": "q", "house@1": "p"}, "base": "b"})
    assert run_id(made) != run_id({**made, "margin": 0.2})


def test_a_run_is_read_as_it_was_kept(tmp_path: Path) -> None:
    run = planted(tmp_path, {"adapter": 0.3}, questions=5)
    again = opened_run(tmp_path / "runs", run.design, run.questions, run.made_from)
    assert again == run
    assert (len(run.answers), len(run.questions)) == (40, 5)
    assert {path.name for path in run.folder.iterdir()} == {META, QUESTIONS, ANSWERS}


def test_an_old_run_with_questions_without_gold_is_read_and_says_so(tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=3)
    old = [one.model_dump() | {"facts": [], "answer": ""} for one in run.questions]
    (run.folder / QUESTIONS).write_text("".join(f"{json.dumps(one)}\n" for one in old))
    kept = read_run(run.folder)
    assert len(kept.questions) == 3
    assert any("lack gold" in limit and ": 3, the first is" in limit for limit in report_of(kept).limits)
    assert compare(kept, kept, {}).questions == 3
    with pytest.raises(QuestionsError, match="every answer would count as right"):
        read_questions(run.folder / QUESTIONS)


@pytest.mark.parametrize("damaged", ["", "[]", "{"])
def test_a_damaged_run_is_told_and_not_written_over(tmp_path: Path, damaged: str) -> None:
    run = planted(tmp_path, {}, questions=3)
    (run.folder / META).write_text(damaged)
    with pytest.raises(RunError, match="Delete it to begin anew"):
        opened_run(tmp_path / "runs", run.design, run.questions, run.made_from)
    assert (run.folder / META).read_text() == damaged


def test_a_damaged_last_line_is_not_counted(tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=3)
    file = run.folder / ANSWERS
    file.write_bytes(file.read_bytes()[:-20])
    assert read_run(run.folder).answers == run.answers[:-1]


def test_a_damaged_line_before_the_last_is_told(tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=3)
    file = run.folder / ANSWERS
    file.write_text("{}\n" + file.read_text())
    with pytest.raises(RunError, match="Delete it to begin anew"):
        read_run(run.folder)


def test_no_number_is_nan(tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=3)
    for line in (run.folder / ANSWERS).read_text().splitlines():
        entry = json.loads(line)
        assert "NaN" not in line
        assert {name for name, value in entry["scores"].items() if value is None} == entry["missing"].keys()


def test_a_run_is_found_by_folder_id_and_beginning(tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=2)
    root = tmp_path / "runs"
    for name in (str(run.folder), run.id, run.id[:4]):
        assert find_run(root, name).id == run.id


def test_what_is_not_there_lists_what_is(tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=2)
    with pytest.raises(RunError, match=run.id):
        find_run(tmp_path / "runs", "zzz")
    with pytest.raises(RunError, match="`triptych evaluate run` makes one"):
        find_run(tmp_path / "nowhere", "zzz")


def test_a_beginning_of_two_is_refused(tmp_path: Path) -> None:
    runs = [planted(tmp_path, {}, questions=2, noise=noise) for noise in range(17)]
    first = next(run.id[0] for run in runs if sum(other.id[0] == run.id[0] for other in runs) > 1)
    with pytest.raises(RunError, match="More than one run begins with"):
        find_run(tmp_path / "runs", first)
