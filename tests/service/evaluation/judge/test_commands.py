"""The command as a person calls it, against a judge on a real socket."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from ingest.owner import OwnerLock
from service.commands import app
from service.evaluation.judge.judgements import JUDGEMENTS, read_judgements
from service.evaluation.report import report_of
from service.evaluation.store import Run, read_run
from tests.service.evaluation.judge.judge_server import judging
from tests.service.evaluation.small_evaluation import planted

CHOSEN = {"Wrong": {"right": "wrong", "refuses": "no"}, "\nRight": {"right": "right", "refuses": "no"}}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump({"data": {"folder": str(tmp_path / "data")}}), encoding="utf-8")
    return file


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "data").mkdir()
    return planted(tmp_path / "data" / "evaluations", {"adapter": 0.4}, questions=3)


def call(config: Path, run: Run, url: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*words(config, run, url), *arguments])


def words(config: Path, run: Run, url: str) -> list[str]:
    return ["evaluate", "judge", str(run.folder), "--url", url, "--model", "m", "--config", str(config)]


def program(config: Path, run: Run, url: str, *arguments: str) -> list[str]:
    """The command as a process of its own."""
    return [sys.executable, "-c", "from service.commands import main; main()", *words(config, run, url), *arguments]


def test_answers_are_judged_and_then_stand_in_the_report(config: Path, run: Run) -> None:
    with judging(chosen=CHOSEN) as server:
        result = call(config, run, server.url, "--yes", "--json")
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout)
    assert (values["answers"], values["failed"]) == (24, {})
    assert len(server.bodies) == 48
    (judge,) = report_of(read_run(run.folder)).judges
    assert (judge.model, judge.prompt_sha256, judge.answers) == ("m", values["prompt_sha256"], 24)
    assert judge.compared[0].estimate.value == pytest.approx(1.0)
    report = CliRunner().invoke(app, ["evaluate", "report", str(run.folder), "--config", str(config)])
    assert "A judge's opinion (m, judge@1, hash " in report.stdout


def test_nothing_is_sent_without_yes(config: Path, run: Run) -> None:
    with judging() as server:
        result = call(config, run, server.url)
    assert result.exit_code == 2
    told = " ".join(result.stderr.split())
    assert f"To {server.url}/ (model m) would go: 24 answers of run {run.id}" in told
    assert "in 48 requests. They may hold personal data" in told and "Say --yes" in told
    assert server.bodies == [] and not (run.folder / JUDGEMENTS).exists()


@pytest.mark.parametrize(("said", "code", "sent"), [("n\n", 1, 0), ("y\n", 0, 16), ("\n", 1, 0)])
def test_a_person_at_a_terminal_is_asked(config: Path, run: Run, said: str, code: int, sent: int) -> None:
    with judging() as server:
        master, slave = pty.openpty()
        process = subprocess.Popen(
            program(config, run, server.url, "--limit", "8"), stdin=slave, stdout=subprocess.DEVNULL, stderr=slave
        )
        os.close(slave)
        os.write(master, said.encode())
        assert process.wait() == code
        os.close(master)
    assert len(server.bodies) == sent


def test_it_goes_on_where_it_was_killed(config: Path, run: Run) -> None:
    """A real kill, in the middle; then a torn last line."""
    file = run.folder / JUDGEMENTS
    with judging(pause=0.05) as server:
        process = subprocess.Popen(program(config, run, server.url, "--yes"), stderr=subprocess.DEVNULL)
        while process.poll() is None and (not file.exists() or file.read_bytes().count(b"\n") < 6):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = read_judgements(run.folder)
    assert 6 <= len(kept) < 48
    with file.open("ab") as torn:
        torn.write(b'{"cell": {"pro')
    with judging() as server:
        assert call(config, run, server.url, "--yes").exit_code == 0
        assert len(server.bodies) == 48 - len(kept)
        assert call(config, run, server.url).exit_code == 0, "nothing is left, so nothing is asked"
    made = read_judgements(run.folder)
    assert made[: len(kept)] == kept and len({one.key for one in made}) == len(made) == 48


def test_a_limit_judges_whole_questions_and_another_model_begins_anew(config: Path, run: Run) -> None:
    with judging() as server:
        assert call(config, run, server.url, "--yes", "--limit", "8").exit_code == 0
        assert {one.question for one in read_judgements(run.folder)} == {run.questions[0].id}
        assert call(config, run, server.url, "--yes", "--limit", "8", "--model", "other").exit_code == 0
    assert [body["model"] for body in server.bodies] == ["m"] * 16 + ["other"] * 16


def test_bad_replies_are_counted_and_told(config: Path, run: Run) -> None:
    with judging(replies=["Certainly!"]) as server:
        result = call(config, run, server.url, "--yes", "--limit", "2", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["failed"] == {"the reply is not JSON": 4}
    (judge,) = report_of(read_run(run.folder)).judges
    assert judge.compared[0].estimate.value is None
    assert judge.compared[0].unjudged == {"the reply is not JSON": 2}


def test_an_endpoint_that_breaks_is_told_and_what_it_said_is_kept(config: Path, run: Run) -> None:
    with judging(most=20) as server:
        result = call(config, run, server.url, "--yes")
    assert result.exit_code == 1
    assert "broken" in result.stderr and "the same command goes on" in result.stderr
    assert 16 <= len(read_judgements(run.folder)) <= 20


def test_the_key_comes_from_the_environment(config: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPTYCH__JUDGE__API_KEY", "sk-secret")
    with judging() as server:
        result = call(config, run, server.url, "--yes", "--limit", "1")
    assert set(server.keys) == {"Bearer sk-secret"}
    assert "sk-secret" not in result.output
    assert "sk-secret" not in (run.folder / JUDGEMENTS).read_text()


def test_wrong_use_is_told_and_sends_nothing(config: Path, run: Run) -> None:
    result = call(config, run, "https://me:sk-secret@host/v1", "--yes")
    assert result.exit_code == 2 and "TRIPTYCH__JUDGE__API_KEY" in result.stderr
    result = CliRunner().invoke(app, ["evaluate", "judge", "zzz", "--url", "http://h/v1", "--model", "m"])
    assert result.exit_code == 2 and "There is no run 'zzz'" in result.stderr


def test_two_at_a_time_are_refused(config: Path, run: Run) -> None:
    with OwnerLock(run.folder):
        result = call(config, run, "http://127.0.0.1:9/v1", "--yes")
    assert result.exit_code == 3 and "Another judge is at work" in result.stderr
