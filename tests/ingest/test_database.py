import sqlite3
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, IntegrityError, ResourceClosedError

from ingest.database import Database, LibraryError, told
from ingest.database import library_url as database_url
from ingest.library import open_library
from ingest.library_schema import collections
from tests.ingest.samples import make_document, make_vectors, put


def test_sqlite_commits_are_durable_and_foreign_keys_hold(tmp_path: Path) -> None:
    with closing(Database(database_url(None, tmp_path))) as database, database.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


def test_an_error_undoes_the_whole_transaction(tmp_path: Path) -> None:
    with closing(Database(database_url(None, tmp_path))) as database:
        with pytest.raises(RuntimeError), database.write() as connection:
            values = {"id": "a", "name": "a", "fingerprint": "f", "serving": True}
            connection.execute(collections.insert(), values)
            raise RuntimeError
        with database.read() as connection:
            assert connection.execute(select(collections)).all() == []


def test_the_text_of_an_error_holds_no_values(tmp_path: Path) -> None:
    values = {"id": "a", "name": "I have a rash", "fingerprint": "f", "serving": True}
    with closing(Database(database_url(None, tmp_path))) as database:
        with database.write() as connection:
            connection.execute(collections.insert(), values)
        with pytest.raises(IntegrityError) as caught, database.write() as connection:
            connection.execute(collections.insert(), values)
    assert "INSERT" in str(caught.value)
    assert "rash" not in "".join(traceback.format_exception(caught.value))


def test_two_that_read_before_they_write_wait_for_each_other(tmp_path: Path) -> None:
    """As a service and a command do, each with its own connection to the file."""
    reading = threading.Event()

    def add(name: str, first: bool) -> int:
        with closing(Database(database_url(None, tmp_path))) as database:
            if not first:
                assert reading.wait(10)
            with database.write() as connection:
                there = len(connection.execute(select(collections)).all())
                if first:
                    reading.set()
                    time.sleep(0.3)
                connection.execute(
                    collections.insert(), {"id": name, "name": name, "fingerprint": "f", "serving": True}
                )
            return there

    Database(database_url(None, tmp_path)).close()
    with ThreadPoolExecutor() as threads:
        both = [threads.submit(add, name, name == "a") for name in ("a", "b")]
        assert [one.result(20) for one in both] == [0, 1]


def test_a_library_of_the_first_version_is_taken_over(library_url: str | None, tmp_path: Path) -> None:
    with closing(open_library(library_url, tmp_path)) as library:
        collection = library.ensure_collection("docs", "f").id
        (kept,) = put(library, collection, make_document("a.md", "one"))
    with closing(Database(database_url(library_url, tmp_path))) as database, database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE chunks DROP COLUMN sentences")
        connection.exec_driver_sql("ALTER TABLE chunks DROP COLUMN sentence_vectors")
        connection.exec_driver_sql("UPDATE library_version SET version = 1")
    for _ in range(2):
        with closing(open_library(library_url, tmp_path)) as library:
            assert library.vectors.of_chunks([kept])[kept].tolist() == make_vectors(1).tolist()
            put(library, collection, make_document("b.md", "two"))
            assert library.document_hashes(collection).keys() == {"a.md", "b.md"}


def test_a_library_of_another_version_is_refused(tmp_path: Path) -> None:
    open_library(None, tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "library.db")) as connection:
        connection.execute("UPDATE library_version SET version = 99")
        connection.commit()
    with pytest.raises(LibraryError, match="version 99"):
        open_library(None, tmp_path)


def test_a_library_that_cannot_be_opened_tells_where_and_hides_the_password(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="cannot be opened"):
        open_library(None, tmp_path / "missing")
    with pytest.raises(LibraryError) as caught:
        open_library(f"postgresql://user:secret@/none?host={tmp_path}", tmp_path)
    assert "secret" not in str(caught.value)


def damaged(file: Path) -> None:
    """Its first page, which tells what tables there are, is whole; of the others nothing is."""
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xff" * (size - 4096))


def test_a_library_that_is_none_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "library.db").write_bytes(b"hello world " * 1000)
    with pytest.raises(LibraryError, match=r"library\.db cannot be opened: file is not a database$"):
        open_library(None, tmp_path)
    (tmp_path / "library.db").unlink()
    open_library(None, tmp_path).close()
    damaged(tmp_path / "library.db")
    with pytest.raises(LibraryError, match=r"cannot be opened: [^\n]*malformed$"):
        open_library(None, tmp_path)


def test_a_file_of_no_bytes_is_a_new_library_unless_an_index_was_made_of_it(tmp_path: Path) -> None:
    file = tmp_path / "library.db"
    file.touch()
    open_library(None, tmp_path).close()
    assert file.stat().st_size
    (tmp_path / "index").mkdir()
    open_library(None, tmp_path).close()
    file.write_bytes(b"")
    with pytest.raises(LibraryError, match=r"library\.db has no bytes, though an index was made of it"):
        open_library(None, tmp_path)
    assert not file.stat().st_size
    file.unlink()
    open_library(None, tmp_path).close()


def test_a_user_without_rights_in_postgresql_is_told_without_the_statement(
    postgres_url: str, tmp_path: Path
) -> None:
    with closing(Database(database_url(postgres_url, tmp_path))) as database, database.write() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.exec_driver_sql("CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA public TO reader")
    with pytest.raises(LibraryError, match=r"cannot be opened: permission denied for schema public$"):
        open_library(postgres_url.replace("//postgres@", "//reader@"), tmp_path)


def test_connections_that_a_restart_of_postgresql_cut_fail_nobody(postgres_url: str, tmp_path: Path) -> None:
    own = database_url(postgres_url, tmp_path)
    with closing(Database(own)) as database, closing(Database(own)) as other:
        with other.read() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        with database.read() as connection:
            assert connection.execute(select(collections)).all() == []


def test_a_copy_that_finds_no_room_is_told(tmp_path: Path) -> None:
    with closing(open_library(None, tmp_path)) as library:
        put(library, library.ensure_collection("docs", "f").id, make_document("a.md", "one"))
    with closing(Database(database_url(None, tmp_path))) as database:
        with pytest.raises(LibraryError, match="cannot be copied to /dev/full"):
            database.copy_to(Path("/dev/full"))
        with pytest.raises(LibraryError, match=r"cannot be copied to .*: unable to open"):
            database.copy_to(tmp_path / "missing" / "library.db")


def test_what_a_database_says_is_one_line_without_the_statement(tmp_path: Path) -> None:
    with (
        closing(Database(database_url(None, tmp_path))) as database,
        database.read() as connection,
        pytest.raises(DBAPIError) as caught,
    ):
        connection.exec_driver_sql("SELECT secret FROM nowhere")
    assert "no such table: nowhere" in told(caught.value)
    assert "secret" not in told(caught.value)
    assert "connection is closed" in told(ResourceClosedError("This connection is closed\nmore"))


def test_a_plain_postgres_url_gets_the_driver_that_is_installed(tmp_path: Path) -> None:
    assert database_url("postgresql://u@h/d", tmp_path).drivername == "postgresql+psycopg"
    assert database_url(None, tmp_path).database == str(tmp_path / "library.db")
