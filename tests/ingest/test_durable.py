import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import durable
from ingest.durable import DamagedLine, append_entry, kept_folder, published_folder, read_entries, replace_text

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
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "nothing is left beside it"


def test_of_many_writers_at_once_one_text_is_left_whole(tmp_path: Path) -> None:
    texts = [letter * 50_000 for letter in "abcdefgh"] * 10
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda text: replace_text(tmp_path / "file", text), texts))
    assert (tmp_path / "file").read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_text_gets_its_name_once_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed, target = [], tmp_path / "file"
    monkeypatch.setattr(os, "fsync", lambda opened: flushed.append((os.fstat(opened).st_ino, target.exists())))
    replace_text(target, "text")
    assert flushed == [(target.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_an_entry_and_its_log_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed, log = [], tmp_path / "log"
    monkeypatch.setattr(os, "fsync", lambda opened: flushed.append((os.fstat(opened).st_ino, read_entries(log))))
    append_entry(log, ENTRIES[0])
    assert flushed == [(path.stat().st_ino, ENTRIES[:1]) for path in (log, tmp_path)]


def test_others_may_read_what_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    replace_text(tmp_path / "file", "text")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_entries_of_many_writers_at_once_are_all_there(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: append_entry(tmp_path / "log", {"number": number}), range(200)))
    assert sorted(entry["number"] for entry in read_entries(tmp_path / "log")) == list(range(200))


def test_a_folder_gets_its_name_once_all_of_it_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed, target = [], tmp_path / "new" / "1"
    monkeypatch.setattr(durable, "flush", lambda path: flushed.append((path, target.exists())))
    with published_folder(target) as unfinished:
        (unfinished / "inner").mkdir(parents=True)
        (unfinished / "inner" / "file").write_text("text")
    assert (target / "inner" / "file").read_text() == "text"
    names = ["inner/file", "inner", "."]
    assert {(unfinished / name, False) for name in names} | {(tmp_path, False)} == set(flushed[:-1])
    assert flushed[-1] == (target.parent, True)


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), published_folder(tmp_path / "1") as unfinished:
        unfinished.mkdir()
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_a_folder_takes_no_name_that_another_has(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "file").write_text("theirs")
    with pytest.raises(OSError, match="not empty"), published_folder(tmp_path / "1") as unfinished:
        unfinished.mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert (tmp_path / "1" / "file").read_text() == "theirs"


def test_a_folder_is_made_once_and_kept(tmp_path: Path) -> None:
    for text in ("first", "second"):
        assert kept_folder(tmp_path / "1", partial(put, text=text)) == tmp_path / "1"
    assert (tmp_path / "1" / "file").read_text() == "first"


def test_a_folder_that_another_made_meanwhile_is_kept(tmp_path: Path) -> None:
    def overtaken(folder: Path) -> None:
        put(folder, "mine")
        kept_folder(tmp_path / "1", lambda theirs: put(theirs, "theirs"))

    kept_folder(tmp_path / "1", overtaken)
    assert (tmp_path / "1" / "file").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def put(folder: Path, text: str) -> None:
    (folder / "file").write_text(text)


def test_a_folder_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        kept_folder(tmp_path / "1", lambda folder: put(folder / "none", "text"))
    assert not list(tmp_path.iterdir())


def test_what_killed_writers_left_goes_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, folder = (durable.beside(tmp_path / name) for name in ("file", "folder"))
    text.write_text("hal")
    folder.mkdir()
    (folder / "file").write_text("hal")
    os.utime(folder, (0, 0))  # as a copy of an old folder has it
    replace_text(tmp_path / "file", "whole")
    with published_folder(tmp_path / "folder") as unfinished:
        unfinished.mkdir()
    assert text.exists() and folder.exists(), "someone may still write to them"
    monkeypatch.setattr(durable, "ABANDONED", -1)
    for name in ("file", "folder"):
        durable.beside(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_what_is_not_there_has_no_entries(tmp_path: Path) -> None:
    assert read_entries(tmp_path / "log") == []


@given(cut=st.integers(2, 40), more=st.sampled_from(ENTRIES))
def test_a_line_that_a_crash_cut_short_never_counts(
    tmp_path_factory: pytest.TempPathFactory, cut: int, more: dict[str, str]
) -> None:
    log = tmp_path_factory.mktemp("log") / "log"
    for entry in ENTRIES:
        append_entry(log, entry)
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole) - min(cut, 1 + len(json.dumps(ENTRIES[-1])))])
    assert read_entries(log) == ENTRIES[:2]
    append_entry(log, more)
    assert read_entries(log) == [*ENTRIES[:2], more]


def test_a_last_entry_that_only_lacks_its_line_s_end_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for entry in ENTRIES[:2]:
        append_entry(log, entry)
    log.write_bytes(log.read_bytes().rstrip(b"\n"))
    assert read_entries(log) == ENTRIES[:2]
    append_entry(log, ENTRIES[2])
    assert read_entries(log) == ENTRIES
    assert log.read_bytes().count(b"\n") == 3


@pytest.mark.parametrize("damaged", [b'{"act": "pro', b"promoted", b"3", b"null", b"\xff"])
def test_a_damaged_line_is_named_and_a_blank_one_passed_over(tmp_path: Path, damaged: bytes) -> None:
    log = tmp_path / "log"
    whole = json.dumps(ENTRIES[0]).encode() + b"\n"
    log.write_bytes(b"\n" + whole + b" \n" + whole)
    assert read_entries(log) == [ENTRIES[0]] * 2
    log.write_bytes(whole + damaged + b"\n" + whole)
    with pytest.raises(DamagedLine, match=r"log, line 2 is no entry: .* got .*Mend the line"):
        read_entries(log)
