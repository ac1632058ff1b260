import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from service.commands import app
from tests.service.evaluation.small_evaluation import planted
from tests.service.evaluation.test_advise import HOSPITAL
from tests.service.test_build import settings_in

TYPED = "1500\nsometimes\nmonthly\ny\nstrict\ny\n800\n8\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    settings_in(tmp_path)
    return tmp_path / "settings.yaml"


def call(config: Path, *arguments: str | Path, typed: str = "") -> Result:
    command = ["advise", *map(str, arguments), "--config", str(config)]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, command, input=typed)


def test_the_questions_are_asked_again_until_they_are_answered(config: Path) -> None:
    result = call(config, "--json", typed=TYPED)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["situation"] == HOSPITAL
    assert "How often do the facts in the answers change?" in result.stderr


def test_a_file_and_a_run_are_joined(config: Path, tmp_path: Path) -> None:
    (tmp_path / "situation.yaml").write_text(yaml.safe_dump(HOSPITAL))
    run = planted(tmp_path / "measured", {"adapter": 0.4, "retrieval": 0.15}, questions=300)
    result = call(config, "--answers", tmp_path / "situation.yaml", "--run", run.folder)
    assert result.exit_code == 0, result.output
    assert "adapter: use" in result.stdout
    assert "measured: Keep adapter" in result.stdout
    assert "disagree on prompt" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "typed", "message"),
    [
        ([], "1500\n", "--answers FILE"),
        ([], TYPED.replace("800", "-5"), "first_token_ms: Input should be greater than 0"),
        (["--answers", "/nowhere.yaml"], "", "cannot be used"),
        (["--run", "abc"], TYPED, "There is no run 'abc'"),
    ],
)
def test_what_cannot_be_ends_with_a_reason(config: Path, arguments: list[str], typed: str, message: str) -> None:
    result = call(config, *arguments, typed=typed)
    assert result.exit_code == 2
    assert message in result.stderr
