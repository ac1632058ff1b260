"""Calibrating a language model's way: many records at a time, in their order."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapters.decisions.pack import CALIBRATIONS
from adapters.decisions.policy import DecisionName
from adapters.decisions.records import Case, PastCase, of_split
from adapters.engines.protocol import EngineError
from adapters.terminal import IN_USE, REFUSED, WRONG_USE
from ingest.owner import OwnerLock
from service.calibrate import calibration_of, decisions, drawn
from service.commands import app
from service.switches import Overrides
from tests.adapters.engines.openai_server import Served, serving
from tests.service.conftest import data_folder
from tests.service.deciding import FOLDER, DecidingEngine, decider, decision_embedder


@pytest.fixture
def served(tmp_path: Path, derived: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A model server that answers no JSON, and the hospital with it and a copy of its decisions."""
    with serving() as serve:
        engine, served = serve()
        settings = {
            "DATA__FOLDER": data_folder(tmp_path, derived),
            "DECISIONS__FOLDER": shutil.copytree(FOLDER, tmp_path / "decisions"),
            "ENGINE__KIND": "openai",
            "ENGINE__OPENAI__URL": engine.client.base_url,
            "ENGINE__OPENAI__MODEL": "base",
            "LAYERS__ADAPTER__SWITCH": "off",
        }
        for name, value in settings.items():
            monkeypatch.setenv(f"TRIPTYCH__{name}", str(value))
        yield served


def call() -> Result:
    result = CliRunner().invoke(app, ["decisions", "calibrate", "--records", "50"])
    assert isinstance(result.exception, SystemExit), result.exception
    return result


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


def test_records_are_drawn_by_chance_whatever_their_ids_say_and_the_same_each_time() -> None:
    kinds: list[tuple[DecisionName, str]] = [("approved", "A1"), ("rejected", "R1"), ("pending", "P1")]
    past = [
        PastCase(f"{decision}-{number}", Case({}, {}, ""), decision, code)
        for decision, code in kinds
        for number in range(200)
    ]
    found = drawn(past, 100)
    assert len({one.id for one in found}) == 100 and found == drawn(past, 100)
    assert all(20 < sum(one.decision == decision for one in found) < 50 for decision, _ in kinds)
    assert sorted(drawn(past, 900), key=past.index) == past


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


def test_a_model_that_does_not_decide_ends_it_with_a_sentence(served: Served, tmp_path: Path) -> None:
    result = call()
    assert result.exit_code == REFUSED
    assert "The model answered 'base speaks.'" in result.output
    assert "Nothing was measured" in result.output
    assert served.bodies
    assert (tmp_path / "decisions" / CALIBRATIONS).read_text() == (FOLDER / CALIBRATIONS).read_text()


def test_no_model_is_asked_where_the_pack_cannot_be_written(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "decisions" / CALIBRATIONS
    file.unlink()
    file.mkdir()
    result = call()
    assert result.exit_code == WRONG_USE
    assert "The calibrations cannot be written to" in result.output
    assert "can be written." in result.output
    assert not served.bodies


def test_a_set_up_that_is_wrong_is_told_in_a_sentence(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPTYCH__GUARD__EMERGENCIES", str(tmp_path / "none.yaml"))
    result = call()
    assert result.exit_code == WRONG_USE
    assert "none.yaml" in result.output


async def test_once_one_failed_the_others_are_not_asked(model_folder: Path) -> None:
    engine = DecidingEngine(told=False)
    by = decider(decision_embedder(model_folder), engine)
    with pytest.raises(EngineError, match="told no probabilities"):
        await decisions(by, of_split(by.pack.past, "calibration")[:60], Overrides(retrieval="off", adapter="off"))
    asked = len(engine.seen)
    assert asked < 60
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
