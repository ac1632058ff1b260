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
from service.experiments.running import EARLIER_LOG
from service.outcomes import Outcome
from service.plan import Exposure, Layers, Manifest, ShownPassage
from service.records import Records

NOTHING = Layers(None, None, None)
MANIFEST = Manifest(NOTHING, NOTHING, {}, "model", "scripted", "0" * 64, timings={"answer": 90.0})


def experiment(key: str, active: bool = False, value: str = "on", factor: str = "adapter") -> dict[str, Any]:
    arms = [{"name": "old", "value": "off", "share": 0.5}, {"name": "new", "value": value, "share": 0.5}]
    return {"key": key, "factor": factor, "seed": key, "coverage": 1, "active": active, "arms": arms}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The data folder is in use, as by a running service."""
    monkeypatch.setenv("COLUMNS", "200")
    values = {
        "data": {"folder": str(tmp_path / "data")},
        "experiments": [
            experiment("spring"),
            experiment("summer"),
            experiment("autumn", value="house-style@99"),
            experiment("winter", factor="prompt"),
        ],
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
    assert [row["running"] for row in answer(config, "list")] == [False] * 4
    assert answer(config, "start", "spring", "--by", "Ada") == {"started": "spring"}
    first = answer(config, "list")[0]
    assert (first["running"], first["acts"][0]["by"]) == (True, "Ada")
    assert "spring is stopped." in call(config, "stop", "spring").stdout
    assert "stop" in call(config, "list").stdout


def test_before_the_first_start_there_is_nothing(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace(str(tmp_path / "data"), str(tmp_path / "new" / "data")))
    assert answer(config, "list")[0]["users"] == {"old": 0, "new": 0}
    assert "too little to tell" in call(config, "report", "spring").stdout


def earlier_file(folder: Path) -> Path:
    """As an earlier program kept that somebody started one."""
    act = {"at": "2026-03-01T10:00:00+00:00", "by": "Ada", "act": "start", "experiment": "spring"}
    file = folder / EARLIER_LOG
    file.write_text(f"{json.dumps(act)}\n", encoding="utf-8")
    return file


def test_the_acts_of_an_earlier_program_are_taken_over_where_no_service_runs(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "idle"
    config.write_text(config.read_text().replace(str(tmp_path / "data"), str(folder)))
    folder.mkdir()
    file = earlier_file(folder)
    assert "is started already" in call(config, "start", "spring").stderr
    first = answer(config, "list")[0]
    assert (first["running"], first["acts"][0]["by"], file.exists()) == (True, "Ada", False)


def test_a_running_service_that_still_needs_the_file_keeps_it(config: Path, tmp_path: Path) -> None:
    file = earlier_file(tmp_path / "data")
    refused = call(config, "stop", "spring")
    assert (refused.exit_code, file.exists()) == (3, True)
    assert "It must be started anew first" in refused.stderr


def test_services_of_one_database_share_their_acts(config: Path, tmp_path: Path, postgres_url: str) -> None:
    values = yaml.safe_load(config.read_text()) | {"library": {"url": postgres_url}}
    configs = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    for file in configs:
        file.write_text(yaml.safe_dump(values | {"data": {"folder": str(tmp_path / file.stem)}}), encoding="utf-8")
    answer(configs[0], "start", "spring", "--by", "Ada")
    assert [row["running"] for row in answer(configs[1], "list")] == [True, False, False, False]
    assert "both about the adapter layer" in call(configs[1], "start", "summer").stderr
    answer(configs[1], "stop", "spring", "--by", "Ben")
    assert [one["by"] for one in answer(configs[0], "list")[0]["acts"]] == ["Ada", "Ben"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["start", "may"], "no experiment 'may'; there are: spring, summer, autumn, winter."),
        (["stop", "spring"], "is not started"),
        (["start", "autumn"], "The adapter layer has no 'house-style@99'"),
        (["report", "may"], "no experiment 'may'"),
        (["cells", "spring", "may"], "no experiment 'may'"),
        (["cells", "spring", "summer"], "both about the adapter layer"),
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


def test_a_library_that_is_none_is_a_sentence(config: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "library.db").write_bytes(b"no database at all, but some bytes" * 40)
    result = call(config, "list")
    assert result.exit_code == 2
    assert "library.db" in result.output and "Traceback" not in result.output


def store(folder: Path, users: int, spring_only: int = 0) -> None:
    """Users of both experiments, half in each arm, and some who met the one on the adapter only.

    Nine of ten in the adapter's new arm are liked, one of ten in the old; the prompt changes nothing.
    """
    with closing(Records(Database(library_url(None, folder)))) as records:
        for number in range(users + spring_only):
            arm, prompt = "new" if number % 2 else "old", "new" if number % 4 > 1 else "old"
            exposed = [Exposure("spring", arm, f"u{number}", "adapter", "on")]
            if number < users:
                exposed.append(Exposure("winter", prompt, f"u{number}", "prompt", "on"))
            manifest = replace(MANIFEST, experiments={one.experiment: one.arm for one in exposed})
            message = f"m{number}"
            turn = Turn("When?", "Now.")
            records.store_answer(message, f"talk{number}", f"u{number}", turn, manifest, exposed)
            liked = (number // 4) % 10 < (9 if arm == "new" else 1)
            records.give_feedback(message, f"u{number}", Outcome("up" if liked else "down"))


def test_the_report_tells_what_people_said(config: Path, tmp_path: Path) -> None:
    store(tmp_path / "data", 120)
    found = answer(config, "report", "spring")
    assert [(arm["name"], arm["units"]) for arm in found["arms"]] == [("old", 60), ("new", 60)]
    rating = next(one for one in found["effects"] if one["metric"] == "rating")
    assert rating["difference"] == pytest.approx(1.6)
    assert rating["always_valid"]["low"] > 0.5
    assert found["guardrails"][0]["state"] == "open"
    assert answer(config, "list")[0]["users"] == {"old": 60, "new": 60}
    assert "rated better" in call(config, "report", "spring").stdout


def test_a_higher_bucket_version_counts_anew(config: Path, tmp_path: Path) -> None:
    store(tmp_path / "data", 120)
    values = yaml.safe_load(config.read_text())
    values["experiments"][0] |= {"bucket_version": 1}
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    found = answer(config, "report", "spring")
    assert (found["bucket_version"], [arm["units"] for arm in found["arms"]]) == (1, [0, 0])
    assert answer(config, "list")[0]["users"] == {"old": 0, "new": 0}
    with closing(Records(Database(library_url(None, tmp_path / "data")))) as records:
        for user in ("u1", "new-user"):
            exposed = [Exposure("spring", "new", user, "adapter", "on", 1)]
            manifest = replace(MANIFEST, experiments={"spring": "new"}, bucket_versions={"spring": 1})
            records.store_answer(f"m-{user}", f"talk-{user}", user, Turn("When?", "Now."), manifest, exposed)
    assert answer(config, "list")[0]["users"] == {"old": 0, "new": 2}
    values["experiments"][0] |= {"min_bucket_version": 1}
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    assert answer(config, "list")[0]["users"] == {"old": 0, "new": 1}
    assert [arm["units"] for arm in answer(config, "report", "spring")["arms"]] == [0, 1]


def test_the_report_is_a_page_too(config: Path, tmp_path: Path) -> None:
    store(tmp_path / "data", 120)
    page = tmp_path / "page.html"
    assert call(config, "report", "spring", "--html", str(page)).exit_code == 0
    assert "spring: an experiment on the adapter layer" in page.read_text(encoding="utf-8")
    refused = call(config, "report", "spring", "--html", str(tmp_path / "nowhere" / "page.html"))
    assert (refused.exit_code, "nowhere" in refused.stderr) == (1, True)


def test_the_cells_are_of_who_met_all_of_them(config: Path, tmp_path: Path) -> None:
    store(tmp_path / "data", 160, spring_only=7)
    found = answer(config, "cells", "winter", "spring")
    assert (found["factors"], found["units"], found["left_out"]) == (["prompt", "adapter"], 160, 7)
    assert [cell["arms"] for cell in found["cells"]] == [[a, b] for a in ("old", "new") for b in ("old", "new")]
    assert [round(cell["rating"], 6) for cell in found["cells"]] == [-0.8, 0.8, -0.8, 0.8]
    assert found["interactions"][0]["difference"] == pytest.approx(0)
    assert found["main_effects"][1]["difference"] == pytest.approx(1.6)
    assert "The adapter's effect does not depend on the prompt" in call(config, "cells", "winter", "spring").stdout


def test_the_cells_are_a_page_too(config: Path, tmp_path: Path) -> None:
    store(tmp_path / "data", 160)
    page = tmp_path / "page.html"
    assert call(config, "cells", "winter", "spring", "--html", str(page)).exit_code == 0
    assert "winter, spring: experiments that ran together" in page.read_text(encoding="utf-8")
    refused = call(config, "cells", "winter", "spring", "--html", str(tmp_path / "nowhere" / "page.html"))
    assert (refused.exit_code, "nowhere" in refused.stderr) == (1, True)


def store_interleaved(folder: Path, answers: int) -> None:
    """Answers that cite what `fine` drafted, nine of ten, or what `whole` did."""
    with closing(Records(Database(library_url(None, folder)))) as records:
        for number in range(answers):
            team = "fine" if number % 10 else "whole"
            passage = ShownPassage(1, f"c{number}", "d", "a.md", "A", 0.5, True, "hospital", team)
            exposed = [Exposure("chunks", "whole+fine", f"u{number}", "retrieval", "on+hospital-fine")]
            manifest = replace(MANIFEST, passages=(passage,), experiments={"chunks": "whole+fine"})
            place = (f"i{number}", f"talk{number}", f"u{number}")
            records.store_answer(*place, Turn("When?", "Now [1]."), manifest, exposed)


def test_an_interleaved_experiment_reports_a_preference(config: Path, tmp_path: Path) -> None:
    arms = [
        {"name": name, "value": value, "share": 0.5} for name, value in (("whole", "on"), ("fine", "hospital-fine"))
    ]
    chunks = {**experiment("chunks", factor="retrieval"), "interleave": "on", "arms": arms}
    values = yaml.safe_load(config.read_text(encoding="utf-8"))
    config.write_text(yaml.safe_dump({**values, "experiments": [chunks, *values["experiments"]]}), encoding="utf-8")
    assert "too little to tell" in call(config, "report", "chunks").stdout
    store_interleaved(tmp_path / "data", 60)
    found = answer(config, "report", "chunks")
    assert [side["wins"] for side in found["sides"]] == [6, 54]
    assert (found["answers"], found["one_look"]["p"] < 0.001) == (60, True)
    assert call(config, "report", "chunks").stdout.startswith("Keep fine: fine won 54 answers, whole 6, 0 ties")
    page = tmp_path / "page.html"
    assert call(config, "report", "chunks", "--html", str(page)).exit_code == 0
    assert "Keep fine: fine won 54 answers" in page.read_text(encoding="utf-8")
    assert answer(config, "list")[0]["users"] == {"whole+fine": 60}
    for arguments, message in (
        (["cells", "chunks", "spring"], "has no cells"),
        (["start", "chunks"], "The retrieval layer has no 'hospital-fine'"),
    ):
        refused = call(config, *arguments)
        assert (refused.exit_code, message in refused.stderr) == (1, True)


def test_without_keys_the_cells_are_of_all_that_run(config: Path) -> None:
    refused = call(config, "cells")
    assert (refused.exit_code, "got none" in refused.stderr) == (1, True)
    answer(config, "start", "spring")
    answer(config, "start", "winter")
    assert answer(config, "cells")["experiments"] == ["winter", "spring"]
