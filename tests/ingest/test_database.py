import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest.database import Database, LibraryError, library_url
from ingest.library import open_library
from ingest.library_schema import collections


def test_sqlite_commits_are_durable_and_foreign_keys_hold(tmp_path: Path) -> None:
    with closing(Database(library_url(None, tmp_path))) as database, database.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


def test_an_error_undoes_the_whole_transaction(tmp_path: Path) -> None:
    with closing(Database(library_url(None, tmp_path))) as database:
        with pytest.raises(RuntimeError), database.write() as connection:
            values = {"id": "a", "name": "a", "fingerprint": "f", "serving": True}
            connection.execute(collections.insert(), values)
            raise RuntimeError
        with database.read() as connection:
            assert connection.execute(select(collections)).all() == []


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


def test_a_plain_postgres_url_gets_the_driver_that_is_installed(tmp_path: Path) -> None:
    assert library_url("postgresql://u@h/d", tmp_path).drivername == "postgresql+psycopg"
    assert library_url(None, tmp_path).database == str(tmp_path / "library.db")
