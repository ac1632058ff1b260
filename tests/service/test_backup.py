"""Beside a service that writes, and back into an empty folder: the same documents, searches, words and adapters."""

import json
import os
import re
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import URL

from adapters.registry import Registry
from ingest.corpus import Corpus
from ingest.database import Database, library_url
from ingest.embed import Embedder
from ingest.owner import LOCK, FolderInUse, OwnerLock
from service.answer import Chatbot
from service.backup import LIBRARY, LIST, BackupError, back_up, checked, restore
from service.events import Meta
from service.outcomes import Outcome
from service.records import Records
from tests.service.conftest import PUBLIC_DOCUMENTS, ingest, opened
from tests.service.parts import answered, chatbot, scripted
from tests.service.small_adapter import adapter

QUESTIONS = ("When can I visit?", "What does parking cost?", "Are flowers allowed?", "How do I get my records?")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def bot(data: Path, embedder: Embedder) -> Iterator[Chatbot]:
    """It runs on the data folder, as a service does, and has its lock."""
    for corpus in opened(data, embedder):
        ingest(corpus, PUBLIC_DOCUMENTS)
        ingest(corpus, {"staff.md": "The gate code is willow."}, "staff")
        bot = chatbot(corpus, data, scripted("From 10 a.m. [1]."))
        with OwnerLock(data):
            yield bot
        bot.records.close()


def found(corpus: Corpus) -> list[list[str]]:
    """The ids that the index finds, the nearest first."""
    serving = corpus.serving
    assert serving
    vectors = corpus.embedder.embed_queries(QUESTIONS)
    return [[hit.chunk_id for hit in corpus.index.search(serving.id, vector, 5)] for vector in vectors]


async def test_what_was_acknowledged_comes_back(
    bot: Chatbot, data: Path, tmp_path: Path, embedder: Embedder
) -> None:
    adapter(data / "adapters" / "style" / "1", "0" * 64, seed=1)
    (data / "adapters" / ".scaled").mkdir()
    (data / "cache").mkdir()
    (data / "cache" / "large.gguf").write_text("derived")
    meta = (await answered(bot, QUESTIONS[0]))[0]
    assert isinstance(meta, Meta)
    bot.records.give_feedback(meta.message_id, None, Outcome("down", ("unsafe",)))
    before = found(bot.corpus)
    made = back_up(data, library_url(None, data), tmp_path / "kept")
    names = {Path(name).parts[0] for name in made.files}
    assert names == {LIBRARY, "adapters"} and "adapters/style/1/card.json" in made.files
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {*names, LIST}
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700

    again = tmp_path / "again"
    assert restore(tmp_path / "kept", again, library_url(None, again)) == made
    for corpus in opened(again, embedder):
        assert not corpus.index.degraded
        assert found(corpus) == before
        serving = corpus.serving
        assert serving
        assert corpus.library.document_labels(serving.id)["staff.md"] == frozenset({"staff"})
    records = Records(Database(library_url(None, again)))
    assert [word.reasons for message in records.judged() if (word := message.feedback)] == [("unsafe",)]
    records.close()
    assert Registry(tmp_path / "none", again / "adapters").resolve("style@1").card.name == "style"


def test_a_backup_beside_a_writer_has_each_document_whole(bot: Chatbot, data: Path, tmp_path: Path) -> None:
    over, written = Event(), 0

    def write() -> None:
        nonlocal written
        while not over.is_set():
            ingest(bot.corpus, {f"page-{written}.md": f"# Page {written}\n\n" + "A sentence. " * 200})
            written += 1

    writer = Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            acknowledged = written
            back_up(data, library_url(None, data), tmp_path / f"kept-{number}")
            kept = Database(library_url(None, tmp_path / f"kept-{number}"))
            with kept.read() as connection:
                torn = connection.exec_driver_sql(
                    "SELECT count(*) FROM documents WHERE id NOT IN (SELECT document_id FROM chunks)"
                ).scalar_one()
                pages = "SELECT count(*) FROM documents WHERE source LIKE 'page-%'"
                assert connection.exec_driver_sql(pages).scalar_one() >= acknowledged
            kept.close()
            assert torn == 0
    finally:
        over.set()
        writer.join()


@pytest.fixture
def kept(data: Path, tmp_path: Path) -> Path:
    """Of a small library that nothing has open."""
    Database(library_url(None, data)).close()
    (data / "harvest").mkdir()
    (data / "harvest" / "proposals.jsonl").write_text("{}\n")
    back_up(data, library_url(None, data), tmp_path / "kept")
    return tmp_path / "kept"


def test_nothing_is_overwritten_or_added_to(kept: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="never overwritten"):
        back_up(data, library_url(None, data), kept)
    with OwnerLock(data), pytest.raises(FolderInUse):
        restore(kept, data, library_url(None, data))
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "notes.txt").write_text("mine")
    with pytest.raises(BackupError, match=r"not empty: .*notes\.txt"):
        restore(kept, tmp_path / "new", library_url(None, tmp_path / "new"))
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"notes.txt", LOCK}


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("url", [None, "elsewhere"])
def test_a_restore_that_failed_leaves_nothing_and_goes_on_once_there_is_room(
    kept: Path, tmp_path: Path, url: str | None
) -> None:
    new = tmp_path / "new"
    place = URL.create("sqlite", database=str(tmp_path / url / "words.db")) if url else library_url(None, new)
    size = (kept / LIBRARY).stat().st_size
    with no_file_larger_than(size // 2), pytest.raises(OSError, match="File too large"):
        restore(kept, new, place)
    assert [path.name for path in new.iterdir()] == [LOCK]
    assert not list(tmp_path.glob("elsewhere/*"))
    restore(kept, new, place)
    assert (new / "harvest" / "proposals.jsonl").read_text() == "{}\n"
    assert place.database and Path(place.database).stat().st_size == size
    assert Path(place.database).parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_another_user_is_left_alone(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    with pytest.raises(BackupError, match=f"belongs to user {own}, and this is user {own + 1}"):
        restore(kept, tmp_path / "own", library_url(None, tmp_path / "own"))
    assert not list((tmp_path / "own").iterdir())


def test_what_a_killed_restore_left_and_a_new_disk_has_is_passed_over(kept: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    (new / ".restored.unfinished" / "adapters").mkdir(parents=True)
    (new / ".library.db.0.unfinished").write_bytes(b"half")
    (new / "lost+found").mkdir()
    restore(kept, new, library_url(None, new))
    assert {path.name for path in new.iterdir()} == {LOCK, LIBRARY, "harvest", "lost+found"}


@pytest.mark.parametrize("left", [("",), ("-wal", "-shm"), ("-journal",)])
def test_each_part_of_an_earlier_library_is_named(kept: Path, tmp_path: Path, left: tuple[str, ...]) -> None:
    """A service that was killed leaves its log, which SQLite would play into the restored file."""
    (tmp_path / "place").mkdir()
    library = tmp_path / "place" / "words.db"
    names = [f"{library}{end}" for end in left]
    for name in names:
        Path(name).write_bytes(b"earlier")
    with pytest.raises(BackupError, match=re.escape(", ".join(sorted(names)))):
        restore(kept, tmp_path / "new", URL.create("sqlite", database=str(library)))
    assert sorted(map(str, library.parent.iterdir())) == sorted(names)


@pytest.mark.parametrize("name", [LIBRARY, "harvest/proposals.jsonl"])
@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_damaged_backup_restores_nothing(kept: Path, tmp_path: Path, name: str, damage: str) -> None:
    if damage == "gone":
        (kept / name).unlink()
    else:
        content = bytearray((kept / name).read_bytes())
        content[len(content) // 2] ^= 1
        (kept / name).write_bytes(content)
    with pytest.raises(BackupError, match=r"is not what was backed up. Nothing was restored"):
        restore(kept, tmp_path / "new", library_url(None, tmp_path / "new"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/hostname", "a/../../b"])
def test_a_list_that_leads_out_is_refused(kept: Path, name: str) -> None:
    values = json.loads((kept / LIST).read_text())
    (kept / LIST).write_text(json.dumps({**values, "files": {name: "0" * 64}}))
    with pytest.raises(BackupError, match="leads out of it"):
        checked(kept)


@pytest.mark.parametrize("name", ["a\\b", "a\nb", "tab\t", "no\u00a0break", "\udcff"])
def test_a_name_that_a_restore_refuses_is_told_when_backing_up(
    kept: Path, data: Path, tmp_path: Path, name: str
) -> None:
    (data / "harvest" / name).write_text("x")
    with pytest.raises(BackupError, match=re.escape(repr(f"harvest/{name}"))):
        back_up(data, library_url(None, data), tmp_path / "other")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "kept"}


def test_a_link_that_leads_nowhere_is_named(kept: Path, data: Path, tmp_path: Path) -> None:
    (data / "harvest" / "link").symlink_to("nowhere")
    with pytest.raises(BackupError, match=r"nothing was backed up.* No such file .*harvest/link'"):
        back_up(data, library_url(None, data), tmp_path / "other")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "kept"}


@pytest.mark.parametrize("content", [None, "{", '{"form": 2, "made": "", "files": {}}'])
def test_what_is_no_backup_is_told(tmp_path: Path, content: str | None) -> None:
    if content:
        (tmp_path / LIST).write_text(content)
    with pytest.raises(BackupError, match="is no backup"):
        checked(tmp_path)


def test_a_library_elsewhere_stays_there(kept: Path, data: Path, tmp_path: Path) -> None:
    elsewhere = URL.create("postgresql+psycopg", host="nowhere.invalid", database="library")
    with pytest.raises(BackupError, match="set it null"):
        restore(kept, tmp_path / "new", elsewhere)
    made = back_up(data, elsewhere, tmp_path / "without")
    assert list(made.files) == ["harvest/proposals.jsonl"]
    restore(tmp_path / "without", tmp_path / "new", elsewhere)
    assert (tmp_path / "new" / "harvest" / "proposals.jsonl").is_file()
    shutil.rmtree(tmp_path / "new")
    with pytest.raises(BackupError, match="nothing to back up"):
        back_up(tmp_path / "new", library_url(None, tmp_path / "new"), tmp_path / "other")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")], "nothing unfinished is left"
