"""Records: their lines, their splits, and what is no record."""

from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.decisions.pack import RECORDS
from adapters.decisions.policy import PolicyError
from adapters.decisions.records import Record, Request, of_split, read_records, split_of, write_records
from tests.adapters.decisions.conftest import FOLDER

REQUEST = {"service": "PET scan", "urgency": "routine", "age": "65+", "referral": "attached"}
REQUEST |= {"visit_notes": "missing", "note": "Histology: carcinoma."}


def test_a_case_has_a_line_for_each_known_field_and_ends_with_the_note() -> None:
    lines = Request(**REQUEST, months_since_same=0).case().lines()  # type: ignore[arg-type]
    assert lines[0] == "service: PET scan"
    assert lines[-2:] == ["months_since_same: 0", "note: Histology: carcinoma."]
    assert not [line for line in lines if line.startswith("measured")]


@pytest.mark.parametrize("change", [{"age": "7"}, {"measured": -1}, {"measured": "6"}, {"name": "Ann"}])
def test_a_request_takes_no_other_fields_or_values(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Request(**REQUEST | change)  # type: ignore[arg-type]


def test_the_split_is_decided_by_the_id_alone() -> None:
    counts = Counter(split_of(f"R{number:05d}") for number in range(5000))
    assert [split_of(one) for one in ("R00001", "R00002", "R00003")] == ["test", "train", "calibration"]
    assert counts["train"] / 5000 == pytest.approx(0.6, abs=0.03)
    assert counts["test"] / 5000 == pytest.approx(0.2, abs=0.03)


def test_a_split_has_its_records_in_the_order_of_their_ids(records: list[Record]) -> None:
    past = [record.past() for record in records]
    found = of_split(past[::-1], "train")
    assert found == of_split(past, "train") == [one for one in past if one.split == "train"]


def test_records_are_read_as_they_were_written(tmp_path: Path, records: list[Record]) -> None:
    write_records(records, tmp_path / "records.jsonl")
    assert read_records(tmp_path / "records.jsonl") == [record.past() for record in records]


def test_a_wrong_line_is_named(tmp_path: Path, records: list[Record]) -> None:
    file = tmp_path / "records.jsonl"
    write_records(records[:2], file)
    file.write_text(file.read_text() + "{}\n")
    with pytest.raises(PolicyError, match="line 3: not a record"):
        read_records(file)
    with pytest.raises(PolicyError, match="cannot be read"):
        read_records(tmp_path / "none.jsonl")


def test_the_pack_ships_over_two_thousand_records_of_three_decisions() -> None:
    past = read_records(FOLDER / RECORDS)
    shares = Counter(one.decision for one in past)
    assert len(past) >= 2400
    assert len({one.id for one in past}) == len(past)
    assert 0.15 < shares["pending"] / len(past) < 0.25
