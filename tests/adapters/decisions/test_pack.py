"""The hospital's folder of decisions, and folders that do not fit together."""

import shutil
from pathlib import Path

import pytest

from adapters.decisions.calibration import Calibration
from adapters.decisions.head import CARD, HeadCard
from adapters.decisions.pack import (
    CALIBRATIONS,
    HEAD,
    POLICY,
    PROMPTS,
    RECORDS,
    open_pack,
    read_calibrations,
    write_calibrations,
)
from adapters.decisions.policy import PolicyError
from adapters.prompt import PromptError
from tests.adapters.decisions.conftest import FOLDER


@pytest.fixture
def fingerprint() -> str:
    return HeadCard.model_validate_json((FOLDER / HEAD / CARD).read_bytes()).embedder


def test_the_shipped_folder_fits_together(fingerprint: str) -> None:
    pack = open_pack(FOLDER, "decide@1", fingerprint)
    assert len(pack.memory.past) == len(pack.memory.vectors)
    assert "decide@1" in pack.prompts


def test_the_shipped_calibrations_are_of_the_shipped_files(fingerprint: str) -> None:
    pack = open_pack(FOLDER, "decide@1", fingerprint)
    assert pack.calibrations.keys() == {"prompt", "prompt+retrieval"}
    for name, one in pack.calibrations.items():
        assert one.prompt_sha256 == pack.prompts["decide@1"].hash
        assert one.policy_sha256 == pack.policy.sha256
        assert one.records_sha256 == pack.head.card.records_sha256
        assert one.similar == (f"5 by {fingerprint}" if "retrieval" in name else None)


def test_a_policy_that_was_edited_needs_another_head(tmp_path: Path, fingerprint: str) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "decisions")
    (folder / POLICY).write_text((folder / POLICY).read_text().replace("at_least: 6", "at_least: 8", 1))
    with pytest.raises(PolicyError, match="was made for another policy"):
        open_pack(folder, "decide@1", fingerprint)


def test_a_prompt_that_is_not_for_decisions_is_refused(tmp_path: Path, fingerprint: str) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "decisions")
    shutil.copy(FOLDER.parent / "prompts" / "house.v1.jinja", folder / PROMPTS)
    with pytest.raises(PromptError, match=r"house\.v1\.jinja cannot be rendered"):
        open_pack(folder, "decide@1", fingerprint)


def test_a_code_without_its_decision_is_refused(tmp_path: Path, fingerprint: str) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "decisions")
    text = (folder / RECORDS).read_text().replace('"decision":"pending"', '"decision":"approved"', 1)
    (folder / RECORDS).write_text(text)
    with pytest.raises(PolicyError, match="is approved with the code 'P"):
        open_pack(folder, "decide@1", fingerprint)


def test_calibrations_are_kept_and_a_damaged_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / CALIBRATIONS
    assert read_calibrations(file) == {}
    calibrations = {"prompt": Calibration(slope=1, intercept=0, records=50, engine="openvino", base="b")}
    write_calibrations(calibrations, file)
    assert read_calibrations(file) == calibrations
    file.write_text("[]")
    with pytest.raises(PolicyError, match="cannot be used"):
        read_calibrations(file)
