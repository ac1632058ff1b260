"""Calibrating a language model's way: many records at a time, in their order."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.decisions.records import of_split
from adapters.terminal import IN_USE
from ingest.owner import OwnerLock
from service.calibrate import calibration_of, decisions
from service.commands import app
from service.switches import Overrides
from tests.service.deciding import DecidingEngine, decider, decision_embedder


async def test_a_model_that_always_says_the_same_gets_how_often_that_is_right(model_folder: Path) -> None:
    by = decider(decision_embedder(model_folder), DecidingEngine(sure=0.99))
    held = of_split(by.pack.past, "calibration")[:60]
    found = await decisions(by, held, Overrides(retrieval="off", adapter="off"))
    share = sum(one.decision == "approved" for one in held) / len(held)
    calibration = calibration_of(held, found)
    assert calibration.probability(0.99) == pytest.approx(share, abs=0.03)
    assert (calibration.engine, calibration.base, calibration.records) == ("scripted", "b" * 64, 60)
    origin = found[0].verdict.origin
    assert origin is not None
    assert calibration.holds_for(origin)


async def test_what_was_decided_without_retrieval_does_not_measure_it(model_folder: Path) -> None:
    by = decider(decision_embedder(model_folder), DecidingEngine())
    held = of_split(by.pack.past, "calibration")[:60]
    shown = held[0].case.fields["service"]
    past = [one for one in by.pack.past if one.case.fields["service"] != shown or one.split != "train"]
    kept = [at for at, one in enumerate(by.pack.memory.past) if one in past]
    head = replace(by.pack.head, memory=by.pack.head.memory[kept])
    by = replace(by, pack=replace(by.pack, past=past, head=head))
    calibration = calibration_of(held, await decisions(by, held, Overrides(retrieval="on", adapter="off")))
    assert calibration.records == sum(one.case.fields["service"] != shown for one in held)
    assert calibration.similar is not None


def test_the_command_is_among_the_decisions() -> None:
    result = CliRunner().invoke(app, ["decisions", "--help"])
    assert result.exit_code == 0
    assert all(name in result.output for name in ("generate", "fit", "train", "calibrate"))


def test_beside_a_running_service_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPTYCH__DATA__FOLDER", str(tmp_path))
    with OwnerLock(tmp_path) as owner:
        owner.announce("http://127.0.0.1:8000")
        result = CliRunner().invoke(app, ["decisions", "calibrate", "--adapter", "off"])
    assert result.exit_code == IN_USE
    assert "needs the data folder for itself: stop it first" in result.output
