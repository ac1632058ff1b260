"""The connection to SQLite or PostgreSQL: durable commits, many readers, one writer at a time."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, inspect, make_url, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ingest.library_schema import VERSION, WORDS, library_version, metadata

_WRITER_LOCK = 7_401_226  # any number, the same in every process that writes to one PostgreSQL database

_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # FULL: what was acknowledged survives a power cut too, not only a killed process.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 10000",
    # Deleted text is overwritten, not only unlinked.
    "PRAGMA secure_delete = ON",
)


class LibraryError(Exception):
    """The library cannot be opened; the message says why and what to do."""


def told(error: Exception) -> str:
    """The error's words; of a database's error one line, without the statement."""
    if not isinstance(error, SQLAlchemyError):
        return str(error)
    said = str(error.orig if isinstance(error, DBAPIError) else error).partition("\n")[0]
    return f"The library cannot be read or written: {said}. Look at its rights, room and log."


class Database:
    """Safe to use from several threads."""

    def __init__(self, url: URL | str) -> None:
        _check_whole(make_url(url))
        self._engine = _engine(make_url(url))
        self._writing = threading.RLock()
        try:
            with self.write() as connection:
                _create_or_check(connection)
        except DBAPIError as error:
            self.close()
            said = str(error.orig).partition("\n")[0]
            raise LibraryError(f"The library at {self._place} cannot be opened: {said}") from None

    @property
    def dialect(self) -> str:
        return self._engine.dialect.name

    @property
    def _place(self) -> str:
        return self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, committed at the end of the block; another process that writes waits for it."""
        with self._writing, self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            if self.dialect == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")
            yield connection

    def compact(self) -> None:
        """Removes the traces of deleted text from the word index and the log."""
        if self.dialect == "sqlite":
            with self.write() as connection:
                connection.exec_driver_sql("INSERT INTO chunk_words(chunk_words) VALUES ('optimize')")
            with self._writing, self._engine.connect() as connection:
                connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def copy_to(self, file: Path) -> None:
        """A whole copy of an SQLite database as of one moment, while others write. Raises LibraryError."""
        try:
            with self._engine.connect() as connection, closing(sqlite3.connect(file)) as copy:
                # The driver's own: page by page, as row ids are what the word index points to.
                driver: Any = connection.connection.driver_connection
                driver.backup(copy)
                found = copy.execute("PRAGMA integrity_check").fetchone()[0]
        except sqlite3.Error as error:
            raise LibraryError(f"The library at {self._place} cannot be copied to {file}: {error}") from None
        first = found.partition("\n")[0]
        if first != "ok":
            raise LibraryError(f"The library at {self._place} is damaged, so its copy is no backup: {first}")

    def close(self) -> None:
        self._engine.dispose()


def library_url(url: str | None, folder: Path) -> URL:
    """The given database, with psycopg for PostgreSQL; without one the file library.db in the folder."""
    if url is None:
        return URL.create("sqlite", database=str(folder / "library.db"))
    parsed = make_url(url)
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def _check_whole(url: URL) -> None:
    """To SQLite a file of no bytes is a new database, as a first start that was killed leaves it. The index beside
    it comes later: where that is there, a copy went wrong. Raises LibraryError.
    """
    file = Path(url.database or "")
    if url.get_backend_name() != "sqlite" or not file.is_file() or file.stat().st_size:
        return
    if (file.parent / "index").exists():
        raise LibraryError(
            f"{file} has no bytes, though an index was made of it: a copy went wrong. Put the whole file back, or "
            "restore a backup into an empty data folder; to begin with an empty library, remove it."
        )


def _engine(url: URL) -> Engine:
    # A traceback is logged; the values of a failed statement may be what a patient asked.
    # A server may restart: its old connections are noticed before they are used, not by who asks next.
    ping = url.get_backend_name() == "postgresql"
    engine = create_engine(url, pool_size=16, hide_parameters=True, pool_pre_ping=ping)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # The driver's own transactions leave out SELECT and DDL: switched off, and begun by hand below.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _SQLITE_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # Who reads before it writes would fail at the write, without waiting, had another process written meanwhile.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _create_or_check(connection: Connection) -> None:
    if not inspect(connection).has_table(library_version.name):
        metadata.create_all(connection)
        for statement in WORDS[connection.dialect.name]:
            connection.exec_driver_sql(statement)
        connection.execute(insert(library_version), {"version": VERSION})
    found = connection.execute(select(library_version.c.version)).scalar_one()
    if found == 1:
        _add_sentences(connection)
    elif found != VERSION:
        raise LibraryError(
            f"The library has version {found}, this program reads version {VERSION}. "
            "Use the program that wrote it, or ingest the documents again into an empty data folder."
        )


def _add_sentences(connection: Connection) -> None:
    """Version 1 had no sentences: its chunks have none."""
    none = {"sqlite": "BLOB NOT NULL DEFAULT x''", "postgresql": "BYTEA NOT NULL DEFAULT ''"}
    connection.exec_driver_sql("ALTER TABLE chunks ADD COLUMN sentences TEXT NOT NULL DEFAULT ''")
    connection.exec_driver_sql(f"ALTER TABLE chunks ADD COLUMN sentence_vectors {none[connection.dialect.name]}")
    connection.execute(update(library_version).values(version=VERSION))
