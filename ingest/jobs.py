"""The record of long pieces of work: what runs, how far it is, how it ended."""

import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, desc, insert, select, update

from ingest.database import Database
from ingest.library_schema import jobs
from ingest.records import Job, JobState, now

# A job that no service has spoken of for so long is over. Clocks of services that share a database differ by less.
SILENCE = timedelta(minutes=10)


class JobLog:
    """Jobs in the library's database, which several services may share; safe to use from several threads.

    While a job runs, its row's `finished` is when its service last said that it works on it (`renew`). A killed
    service says nothing more: of such a job every reader is told that it failed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._own: set[str] = set()

    def start(self, kind: str, total: int = 0) -> Job:
        job = Job(secrets.token_hex(8), kind, "running", 0, total, None, now(), None)
        values = {name: getattr(job, name) for name in ("id", "kind", "state", "done", "total", "started")}
        with self._database.write() as connection:
            connection.execute(insert(jobs), values)
        self._own.add(job.id)
        return job

    def renew(self) -> None:
        """Tells all services that this one still works on the jobs that it started and has not ended."""
        if own := list(self._own):
            with self._database.write() as connection:
                running = update(jobs).where(jobs.c.id.in_(own), jobs.c.state == "running")
                connection.execute(running.values(finished=now()))

    def progress(self, job_id: str, done: int, total: int) -> None:
        self._update(job_id, done=done, total=total)

    def finish(self, job_id: str, report: dict[str, Any]) -> None:
        self._end(job_id, "done", report)

    def fail(self, job_id: str, reason: str) -> None:
        self._end(job_id, "failed", {"error": reason})

    def fail_interrupted(self) -> int:
        """Ends the jobs that a killed process left running; call it where no other process works on them."""
        report = json.dumps({"error": "The process ended before the job did. Start it again."})
        with self._database.write() as connection:
            statement = update(jobs).where(jobs.c.state == "running")
            return connection.execute(statement.values(state="failed", report=report, finished=now())).rowcount

    def get(self, job_id: str) -> Job | None:
        with self._database.read() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
        return self._job(row) if row else None

    def recent(self, limit: int = 50) -> list[Job]:
        with self._database.read() as connection:
            rows = connection.execute(select(jobs).order_by(desc(jobs.c.started)).limit(limit)).all()
        return [self._job(row) for row in rows]

    def _end(self, job_id: str, state: JobState, report: dict[str, Any]) -> None:
        # First: where the database is away just now, silence tells it later.
        self._own.discard(job_id)
        self._update(job_id, state=state, report=json.dumps(report), finished=now())

    def _update(self, job_id: str, **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))

    def _job(self, row: Row[Any]) -> Job:
        report = json.loads(row.report) if row.report else None
        job = Job(row.id, row.kind, row.state, row.done, row.total, report, row.started, row.finished)
        if job.state != "running":
            return job
        heard = row.finished or row.started
        if job.id in self._own or datetime.now(UTC) - datetime.fromisoformat(heard) < SILENCE:
            return replace(job, finished=None)
        error = f"Nothing was heard of it since {heard}: its service ended, or lost the database. Start it again."
        return replace(job, state="failed", report={"error": error}, finished=heard)
