"""The hospital's folder of decisions, and folders that do not fit together."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapters.decisions.calibration import Calibration
from adapters.decisions.head import CARD, HeadCard, write_head
from adapters.decisions.pack import (
    CALIBRATIONS,
    ENOUGH,
    HEAD,
    POLICY,
    PROMPTS,
    RECORDS,
    known_services,
    open_pack,
    read_calibrations,
    write_calibrations,
)
from adapters.decisions.policy import PolicyError
from adapters.decisions.records import Split, of_split, read_records
from adapters.prompt import PromptError
from configs.load import load_settings
from tests.adapters.decisions.conftest import FOLDER


@pytest.fixture
def fingerprint() -> str:
    return HeadCard.model_validate_json((FOLDER / HEAD / CARD).read_bytes()).embedder


def test_the_shipped_folder_fits_together(fingerprint: str) -> None:
    pack = open_pack(FOLDER, "decide@1", fingerprint)
    assert len(pack.memory.past) == len(pack.memory.vectors)
    assert "decide@1" in pack.prompts
    assert "known_services" in vars(pack), "no request counts all records"


def test_records_in_another_order_keep_their_vectors(tmp_path: Path, fingerprint: str) -> None:
    folder = shutil.copytree(FOLDER, tmp_path / "decisions")
    lines = (folder / RECORDS).read_text().splitlines()
    (folder / RECORDS).write_text("\n".join(reversed(lines)) + "\n")
    shipped, turned = (open_pack(one, "decide@1", fingerprint).memory for one in (FOLDER, folder))
    assert turned.past == shipped.past
    assert np.array_equal(turned.vectors, shipped.vectors)


def test_the_shipped_services_are_known_and_the_head_is_for_the_shipped_number(fingerprint: str) -> None:
    pack = open_pack(FOLDER, "decide@1", fingerprint)
    assert pack.known_services == {one.name for one in pack.policy.services}
    assert pack.head.card.similar == load_settings(None, {}).settings.decisions.similar


@pytest.mark.parametrize(
    ("kept", "known"),
    [
        ({"test": 1}, False),
        ({"calibration": ENOUGH}, False),
        ({"train": 30, "calibration": ENOUGH - 1}, False),
        ({"train": 30, "calibration": ENOUGH}, True),
    ],
)
def test_a_service_is_known_once_it_was_learnt_and_measured(kept: dict[Split, int], known: bool) -> None:
    past = [one for one in read_records(FOLDER / RECORDS) if one.case.fields["service"] == "PET scan"]
    some = [one for split, count in kept.items() for one in of_split(past, split)[:count]]
    assert known_services(some) == (frozenset({"PET scan"}) if known else frozenset())


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


@pytest.mark.parametrize("part", ["weights", "bias", "memory"])
def test_a_head_that_is_not_finite_decides_nothing(tmp_path: Path, fingerprint: str, part: str) -> None:
    """Its card fits: without this, the first decision of the policy would win every comparison."""
    folder = shutil.copytree(FOLDER, tmp_path / "decisions")
    head = open_pack(FOLDER, "decide@1", fingerprint).head
    write_head(replace(head, **{part: np.full_like(getattr(head, part), np.nan)}), folder / HEAD)
    with pytest.raises(PolicyError, match="weights that are not finite"):
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
