import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.corpus import Corpus
from ingest.records import Job
from ingest.sources import Upload
from service.admin import Admin
from service.loading import AdapterLoader
from tests.service.conftest import PUBLIC_DOCUMENTS
from tests.service.parts import ScriptedEngine, Shelf

FILES = tuple(Upload(name, text.encode()) for name, text in PUBLIC_DOCUMENTS.items())


@pytest.fixture
def admin(empty_corpus: Corpus) -> Iterator[Admin]:
    made = Admin(empty_corpus, AdapterLoader(Shelf(), ScriptedEngine()))
    yield made
    made.close()


def finished(admin: Admin, job_id: str) -> Job:
    while (job := admin.job(job_id)) is None or job.state == "running":
        time.sleep(0.01)
    return job


def synced(admin: Admin, *files: Upload, prune: bool = False) -> Job:
    present = [file.source for file in files]
    return finished(admin, admin.start_sync(None, files, present, prune, None))


def test_a_sync_runs_in_a_job_and_reports(admin: Admin) -> None:
    job = synced(admin, *FILES)
    assert (job.state, job.done, job.total) == ("done", 4, 4)
    assert job.report is not None
    assert sorted(job.report["added"]) == sorted(PUBLIC_DOCUMENTS)
    assert {document.source for document in admin.documents()} == set(PUBLIC_DOCUMENTS)
    assert set(admin.hashes()) == set(PUBLIC_DOCUMENTS)
    assert admin.stats()[0].documents == 4
    assert [one.id for one in admin.jobs()] == [job.id]


def test_before_the_first_sync_there_is_nothing(admin: Admin) -> None:
    assert (admin.documents(), admin.hashes(), admin.failures(), admin.jobs()) == ([], {}, [], [])
    assert admin.document(None, "visiting.md") is None
    assert admin.job("nothing") is None


def test_a_document_is_shown_with_its_chunks_and_removed(admin: Admin) -> None:
    synced(admin, *FILES)
    found = admin.document(None, "icu.md")
    assert found is not None
    assert found[0].title == "Visiting intensive care"
    assert len(found[1]) == 2
    assert admin.remove(None, "icu.md")
    assert not admin.remove(None, "icu.md")
    assert admin.document(None, "icu.md") is None


def test_what_is_not_present_is_pruned(admin: Admin) -> None:
    synced(admin, *FILES)
    job = synced(admin, *FILES[:2], prune=True)
    assert job.report is not None
    assert len(job.report["removed"]) == 2
    assert len(admin.documents()) == 2


def test_a_file_that_cannot_be_read_is_listed_with_its_reason(admin: Admin) -> None:
    job = synced(admin, Upload("broken.pdf", b"%PDF-1.7 and nothing more"), *FILES[:1])
    assert job.state == "done"
    [failure] = admin.failures()
    assert failure.source == "broken.pdf"
    assert len(admin.documents()) == 1


def test_another_collection_stands_beside(admin: Admin) -> None:
    synced(admin, *FILES[:1])
    finished(admin, admin.start_sync("other", FILES[1:2], None, False, None))
    assert [document.source for document in admin.documents()] == ["visiting.md"]
    assert [document.source for document in admin.documents("other")] == ["icu.md"]


def test_jobs_run_one_after_the_other(admin: Admin) -> None:
    jobs = [admin.start_sync(None, (file,), None, False, None) for file in FILES]
    reports = [finished(admin, job).report for job in jobs]
    assert [report["added"] for report in reports if report] == [[file.source] for file in FILES]


class Exploding(Upload):
    """A file that ends the whole sync, as a full disk would."""

    def read(self, limit: int) -> bytes:
        raise RuntimeError("no space left on device")


def test_a_job_that_breaks_says_why(admin: Admin) -> None:
    job = synced(admin, Exploding("a.md", b""))
    assert (job.state, job.report) == ("failed", {"error": "RuntimeError: no space left on device"})
    assert synced(admin, *FILES[:1]).state == "done"


class Slow(Upload):
    """A file that takes until the test lets it go."""

    gate = threading.Event()

    def read(self, limit: int) -> bytes:
        self.gate.wait(10)
        return super().read(limit)


def test_stopping_ends_the_running_job_after_its_file_and_those_that_wait(
    empty_corpus: Corpus, tmp_path: Path
) -> None:
    admin = Admin(empty_corpus, AdapterLoader(Shelf(), ScriptedEngine()))
    slow = [Slow(f"{number}.md", b"# Title\n\nA text of its own.") for number in range(3)]
    running, waiting = (admin.start_sync(None, slow, None, False, None) for _ in range(2))
    closing = threading.Thread(target=admin.close)
    closing.start()
    Slow.gate.set()
    closing.join(20)
    for job_id in (running, waiting):
        job = admin.job(job_id)
        assert job is not None and job.report is not None
        assert job.state == "failed"
        assert "stopped" in job.report["error"]
