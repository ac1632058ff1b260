"""From settings to a started experiment and its report, by the commands, beside a running service."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from adapters.prompt import Turn
from ingest.database import Database, library_url
from ingest.owner import OwnerLock
from service.commands import app
from service.outcomes import Outcome
from service.plan import Exposure, Layers, Manifest
from service.records import Records

NOTHING = Layers(None, None, None)
MANIFEST = Manifest(NOTHING, NOTHING, {}, "model", "scripted", "0" * 64, timings={"answer": 90.0})


def experiment(key: str, active: bool = False, value: str = "on") -> dict[str, Any]:
    arms = [{"name": "old", "value": "off", "share": 0.5}, {"name": "new", "value": value, "share": 0.5}]
    return {"key": key, "factor": "adapter", "seed": "s", "coverage": 1, "active": active, "arms": arms}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The data folder is in use, as by a running service."""
    monkeypatch.setenv("COLUMNS", "200")
    values = {
        "data": {"folder": str(tmp_path / "data")},
        "experiments": [experiment("spring"), experiment("summer"), experiment("autumn", value="house-style@99")],
    }
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    with OwnerLock(tmp_path / "data"):
        yield file


def call(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["experiments", *arguments, "--config", str(config)])


def answer(config: Path, *arguments: str) -> Any:
    result = call(config, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_it_is_started_stopped_and_listed(config: Path) -> None:
    assert [row["running"] for row in answer(config, "list")] == [False, False, False]
    assert answer(config, "start", "spring", "--by", "Ada") == {"started": "spring"}
    first = answer(config, "list")[0]
    assert (first["running"], first["acts"][0]["by"]) == (True, "Ada")
    assert "spring is stopped." in call(config, "stop", "spring").stdout
    assert "stop" in call(config, "list").stdout


def test_before_the_first_start_there_is_nothing(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace(str(tmp_path / "data"), str(tmp_path / "new" / "data")))
    assert answer(config, "list")[0]["users"] == {"old": 0, "new": 0}
    assert "too little to tell" in call(config, "report", "spring").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["start", "winter"], "no experiment 'winter'; there are: spring, summer, autumn."),
        (["stop", "spring"], "is not started"),
        (["start", "autumn"], "The adapter layer has no 'house-style@99'"),
        (["report", "winter"], "no experiment 'winter'"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(config: Path, arguments: list[str], message: str) -> None:
    refused = call(config, *arguments)
    assert refused.exit_code == 1
    assert message in refused.stderr
    assert not any(row["acts"] for row in answer(config, "list"))


def test_two_on_one_layer_are_refused(config: Path) -> None:
    answer(config, "start", "spring")
    refused = call(config, "start", "summer")
    assert (refused.exit_code, "both about the adapter layer" in refused.stderr) == (1, True)


def test_the_report_tells_what_people_said(config: Path, tmp_path: Path) -> None:
    with closing(Records(Database(library_url(None, tmp_path / "data")))) as records:
        for number in range(120):
            arm, message, user = "new" if number % 2 else "old", f"m{number}", f"u{number}"
            manifest = replace(MANIFEST, experiments={"spring": arm})
            exposure = Exposure("spring", arm, user, "adapter", "on")
            records.store_answer(message, f"talk{number}", user, Turn("When?", "Now."), manifest, [exposure])
            # Nine of ten in the new arm are liked, one of ten in the old.
            liked = (number // 2) % 10 < (9 if arm == "new" else 1)
            records.give_feedback(message, user, Outcome("up" if liked else "down"))
    found = answer(config, "report", "spring")
    assert [(arm["name"], arm["units"]) for arm in found["arms"]] == [("old", 60), ("new", 60)]
    rating = next(one for one in found["effects"] if one["metric"] == "rating")
    assert rating["difference"] == pytest.approx(1.6)
    assert rating["always_valid"]["low"] > 0.5
    assert answer(config, "list")[0]["users"] == {"old": 60, "new": 60}
    assert "rated better" in call(config, "report", "spring").stdout
