"""The commands as a person calls them; `run` with the real model over three small documents."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from configs.load import HOSPITAL
from ingest.embed import Embedder
from ingest.owner import OwnerLock
from service.commands import app
from service.evaluation.store import ANSWERS, Run
from tests.service.conftest import PUBLIC_DOCUMENTS, data_folder, ingest, opened
from tests.service.evaluation.small_evaluation import QUESTIONS, planted, written
from tests.service.small_adapter import adapter

BASE = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FACTORS = {"prompt": ["off", "on"], "retrieval": ["off", "on"], "adapter": ["off", "noise@1"]}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, derived: Path) -> Path:
    """The hospital's settings with a data folder of their own, short answers and an adapter that only acts."""
    folder = tmp_path_factory.mktemp("evaluate")
    settings = yaml.safe_load(HOSPITAL.read_text(encoding="utf-8"))
    # The shipped head belongs to the search adapter; that and the ranker are left out for speed.
    del settings["embedder"], settings["ranker"], settings["decisions"]
    settings["layers"]["prompt"]["folder"] = str(HOSPITAL.parent / "prompts")
    settings["layers"]["adapter"] = {"switch": "off", "name": "noise@1", "folder": str(folder / "shipped")}
    settings["guard"] |= {
        "emergencies": str(HOSPITAL.parent / "emergencies.yaml"),
        "examples": str(HOSPITAL.parent / "emergency_examples.yaml"),
    }
    settings |= {
        "data": {"folder": str(data_folder(folder, derived))},
        "engine": {"slots": 2, "context_tokens": 1024},
        "sampling": {"max_tokens": 8},
    }
    adapter(folder / "shipped" / "noise" / "1", BASE, seed=1, scale=0.2)
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def run(config: Path) -> Run:
    return planted(config.parent / "data" / "evaluations", {"adapter": 0.4}, questions=40)


def call(config: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments), "--config", str(config)])


def values(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_run_needs_documents_and_then_ends_in_a_report(config: Path, tmp_path: Path, embedder: Embedder) -> None:
    design = written(tmp_path, QUESTIONS[:2], factors=FACTORS)
    empty = call(config, "run", design)
    assert empty.exit_code == 1
    assert "Run `triptych ingest sync`" in empty.stderr
    for corpus in opened(config.parent / "data", embedder):
        ingest(corpus, PUBLIC_DOCUMENTS)
    run = values(call(config, "run", design, "--limit", "1", "--json"))
    assert (run["answers"], run["failed"]) == (8, 0)
    report = values(call(config, "report", run["run"], "--json"))
    assert (report["questions"], report["planned"]) == (1, 2)
    assert {layer["decision"]["verdict"] for layer in report["layers"]} == {"more"}
    assert values(call(config, "compare", run["run"], run["run"], "--json"))["regressed"] == []
    both = written(tmp_path, QUESTIONS[:2], factors=FACTORS, engines=["openvino", "llamacpp"])
    same, other = values(call(config, "run", both, "--limit", "1", "--json"))["runs"]
    assert same == run, "the engine's own run goes on"
    assert (other["engine"], other["answers"], other["failed"]) == ("llamacpp", 8, 0)
    assert call(config, "compare", same["run"], other["run"]).exit_code in (0, 1)


def test_a_policy_that_is_not_there_is_told(config: Path, tmp_path: Path) -> None:
    values = yaml.safe_load(config.read_text(encoding="utf-8"))
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(values | {"decisions": {"folder": str(tmp_path / "none")}}), encoding="utf-8")
    result = call(file, "run", written(tmp_path))
    assert result.exit_code == 2
    assert "policy.yaml cannot be used" in result.stderr


def test_a_folder_in_use_is_told(config: Path, tmp_path: Path) -> None:
    with OwnerLock(config.parent / "data"):
        result = call(config, "run", written(tmp_path))
    assert result.exit_code == 3
    assert "is in use by process" in result.stderr


def test_a_wrong_evaluation_is_told_before_anything_is_loaded(config: Path, tmp_path: Path) -> None:
    result = call(config, "run", written(tmp_path, seed=-1, colour="blue"))
    assert result.exit_code == 2
    assert "seed: " in result.stderr and "colour: " in result.stderr


def test_the_report_in_three_forms(config: Path, run: Run, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = call(config, "report", run.folder, "--html", page)
    assert result.exit_code == 0, result.output
    for words in (
        "adapter: it raises the share of right answers by",
        "K-precision",
        "retrieval x adapter",
        "Shapley",
        "visiting",
    ):
        assert words in result.stdout
    report = values(call(config, "report", run.folder, "--json"))
    assert report["sentence"] in page.read_text(encoding="utf-8")
    assert " ".join(report["sentence"].split()) in " ".join(result.stdout.split())


def test_a_run_is_scored_for_another_style(config: Path, run: Run, tmp_path: Path) -> None:
    made = values(call(config, "rescore", run.folder, written(tmp_path, style={"words": 1}), "--json"))
    assert (made["answers"], made["run"] == run.id) == (len(run.answers), False)
    report = values(call(config, "report", made["folder"], "--json"))
    assert report["run"]["created"] == run.created
    assert report["combinations"][0]["means"]["on_style"]["value"] != 0.5


def test_a_style_that_cannot_be_learnt_is_told(config: Path, run: Run, tmp_path: Path) -> None:
    result = call(config, "rescore", run.folder, written(tmp_path, style={"like": "none.yaml"}))
    assert result.exit_code == 2
    assert "none.yaml cannot be learnt from" in " ".join(result.stderr.split())


def test_an_unknown_run_is_told(config: Path) -> None:
    result = call(config, "report", "nonsense")
    assert result.exit_code == 2
    assert "There is no run 'nonsense'" in result.stderr


def test_a_page_that_cannot_be_written_is_told(config: Path, run: Run, tmp_path: Path) -> None:
    result = call(config, "report", run.folder, "--html", tmp_path / "none" / "report.html")
    assert result.exit_code == 1
    assert "No such file" in result.stderr


def test_a_regression_fails(config: Path, run: Run, tmp_path: Path) -> None:
    worse = planted(tmp_path, {"adapter": -0.2}, questions=40)
    result = call(config, "compare", run.folder, worse.folder)
    assert result.exit_code == 1
    assert "REGRESSED" in result.stdout
    assert call(config, "compare", run.folder, worse.folder, "--margin", "right=0.9").exit_code == 0
    assert call(config, "compare", worse.folder, run.folder).exit_code == 0


def test_a_run_that_lacks_answers_is_shown_and_fails(config: Path, run: Run, tmp_path: Path) -> None:
    stopped = planted(tmp_path, {"adapter": 0.4}, questions=40)
    answers = stopped.folder / ANSWERS
    answers.write_text("".join(answers.read_text().splitlines(keepends=True)[:45]))
    result = call(config, "compare", run.folder, stopped.folder)
    assert result.exit_code == 1
    assert "REGRESSED" not in result.stdout and "2 combinations" in result.stdout
    assert "lacks 275 of the 320 answers" in " ".join(result.stderr.split())
    assert call(config, "compare", stopped.folder, run.folder).exit_code == 0


@pytest.mark.parametrize("margin", ["right", "right=much", "joy=0.1", "right=nan", "right=inf", "right=-0.1"])
def test_a_margin_that_is_none_is_refused(config: Path, run: Run, margin: str) -> None:
    result = call(config, "compare", run.folder, run.folder, "--margin", margin)
    assert result.exit_code == 2
    assert margin.split("=")[0] in result.stderr
