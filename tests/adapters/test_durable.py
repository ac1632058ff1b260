import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.durable import append_entry, read_entries, replace_text

ENTRIES = [{"act": "promote", "by": "Ada"}, {"act": "rollback", "by": "Bjørn\n"}, {"act": "promote", "by": ""}]


def test_a_text_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for text in ("old and longer", "new"):
        replace_text(tmp_path / "file", text)
        assert (tmp_path / "file").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "nothing is left beside it"


def test_a_failed_replacement_leaves_the_old_text(tmp_path: Path) -> None:
    replace_text(tmp_path / "file", "old")
    with pytest.raises(UnicodeEncodeError):
        replace_text(tmp_path / "file", "new \ud800")
    assert (tmp_path / "file").read_text() == "old"


def test_what_is_not_there_has_no_entries(tmp_path: Path) -> None:
    assert read_entries(tmp_path / "log") == []


@given(cut=st.integers(1, 40), more=st.sampled_from(ENTRIES))
def test_a_line_that_a_crash_cut_short_never_counts(
    tmp_path_factory: pytest.TempPathFactory, cut: int, more: dict[str, str]
) -> None:
    log = tmp_path_factory.mktemp("log") / "log"
    for entry in ENTRIES:
        append_entry(log, entry)
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole) - min(cut, len(json.dumps(ENTRIES[-1])))])
    assert read_entries(log) == ENTRIES[:2]
    append_entry(log, more)
    assert read_entries(log) == [*ENTRIES[:2], more]
