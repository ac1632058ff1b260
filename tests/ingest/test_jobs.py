from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from ingest.database import Database
from ingest.database import library_url as database_url
from ingest.jobs import SILENCE, JobLog
from ingest.library import Library
from ingest.library_schema import jobs


def test_a_job_tells_how_far_it_is_and_how_it_ended(library: Library) -> None:
    job = library.jobs.start("sync", total=5)
    library.jobs.progress(job.id, 2, 5)
    running = library.jobs.get(job.id)
    assert running is not None
    assert (running.state, running.done, running.total, running.report) == ("running", 2, 5, None)
    library.jobs.finish(job.id, {"added": ["a.md"]})
    done = library.jobs.get(job.id)
    assert done is not None
    assert (done.state, done.report) == ("done", {"added": ["a.md"]})
    assert done.finished is not None


def test_a_failed_job_keeps_its_reason(library: Library) -> None:
    job = library.jobs.start("sync")
    library.jobs.fail(job.id, "disk full")
    failed = library.jobs.get(job.id)
    assert failed is not None
    assert (failed.state, failed.report) == ("failed", {"error": "disk full"})


def test_a_killed_process_leaves_no_job_running(library: Library) -> None:
    done, cut = library.jobs.start("sync"), library.jobs.start("sync")
    library.jobs.finish(done.id, {})
    assert library.jobs.fail_interrupted() == 1
    assert {job.id: job.state for job in library.jobs.recent()} == {done.id: "done", cut.id: "failed"}


def test_an_unknown_job_is_none(library: Library) -> None:
    assert library.jobs.get("unknown") is None


def let_time_pass(database: Database) -> None:
    heard = (datetime.now(UTC) - 2 * SILENCE).isoformat(timespec="seconds")
    with database.write() as connection:
        connection.execute(update(jobs).values(started=heard, finished=heard))


def test_the_job_of_a_killed_service_is_told_as_failed_by_the_others(
    library_url: str | None, tmp_path: Path
) -> None:
    with closing(Database(database_url(library_url, tmp_path))) as database:
        working, other = JobLog(database), JobLog(database)
        job = working.start("sync")

        def told(log: JobLog) -> tuple[str, str | None]:
            [found] = log.recent()
            assert found == log.get(job.id)
            return found.state, found.finished

        assert told(other) == ("running", None)
        let_time_pass(database)
        assert told(working) == ("running", None)
        assert told(other)[0] == "failed"
        working.renew()
        assert told(other) == ("running", None)
        let_time_pass(database)
        found = other.get(job.id)
        assert found is not None and found.report is not None and found.finished is not None
        assert f"Nothing was heard of it since {found.finished}" in found.report["error"]


def test_a_job_whose_end_could_not_be_written_does_not_run_for_ever(
    library_url: str | None, tmp_path: Path
) -> None:
    with closing(Database(database_url(library_url, tmp_path))) as database:
        log = JobLog(database)
        job = log.start("sync")
        with database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE jobs RENAME TO away")
        with pytest.raises(DBAPIError):
            log.fail(job.id, "the database is away")
        with database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE away RENAME TO jobs")
        let_time_pass(database)
        log.renew()
        found = log.get(job.id)
        assert found is not None and found.state == "failed"


def test_what_has_ended_is_not_renewed(library_url: str | None, tmp_path: Path) -> None:
    with closing(Database(database_url(library_url, tmp_path))) as database:
        log = JobLog(database)
        job = log.start("sync")
        log.finish(job.id, {})
        with database.write() as connection:
            connection.execute(update(jobs).values(finished="then"))
        log.renew()
        with database.read() as connection:
            assert connection.execute(select(jobs.c.finished)).scalar_one() == "then"
