import asyncio
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from adapters.engines.protocol import AdapterRefused
from adapters.registry import Registry, UnknownAdapter
from ingest.corpus import Corpus
from ingest.records import Job
from ingest.sources import Upload
from service.admin import Admin
from service.loading import AdapterLoader
from tests.service.conftest import PUBLIC_DOCUMENTS
from tests.service.parts import ScriptedEngine
from tests.service.small_adapter import adapter

FILES = tuple(Upload(name, text.encode()) for name, text in PUBLIC_DOCUMENTS.items())


def made(corpus: Corpus, folder: Path) -> Admin:
    registry = Registry(folder / "shipped", folder / "adapters")
    return Admin(corpus, registry, AdapterLoader(registry, ScriptedEngine(), 3))


@pytest.fixture
def admin(empty_corpus: Corpus, tmp_path: Path) -> Iterator[Admin]:
    admin = made(empty_corpus, tmp_path)
    yield admin
    admin.close()


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


class Held(Upload):
    """Is read, and waits before it goes on."""

    read_it, gate = threading.Event(), threading.Event()

    def read(self, limit: int) -> bytes:
        self.read_it.set()
        assert self.gate.wait(20)
        return super().read(limit)


@pytest.mark.parametrize("closing", [False, True])
def test_what_is_removed_while_a_job_reads_it_does_not_come_back(admin: Admin, closing: bool) -> None:
    synced(admin, Upload("x.md", b"# Old\n\nThe old text."))
    Held.read_it.clear()
    Held.gate.clear()
    job = admin.start_sync(None, [Held("x.md", b"# New\n\nThe new text.")], None, False, None)
    assert Held.read_it.wait(20)
    assert admin.remove(None, "x.md")
    ending = threading.Thread(target=admin.close)
    if closing:
        ending.start()
    Held.gate.set()
    finished(admin, job)
    if not closing:
        ending.start()
    ending.join(20)
    assert admin.documents() == []


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


def test_a_job_is_renewed_while_one_file_takes_long(
    empty_corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = threading.Event()
    monkeypatch.setattr("service.admin.RENEW_SECONDS", 0.01)
    monkeypatch.setattr(empty_corpus.library.jobs, "renew", renewed.set)
    Held.gate.clear()
    with closing(made(empty_corpus, tmp_path)) as admin:
        job = admin.start_sync(None, [Held("x.md", b"# New\n\nThe new text.")], None, False, None)
        assert renewed.wait(20)
        Held.gate.set()
        assert finished(admin, job).state == "done"


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
    admin = made(empty_corpus, tmp_path)
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


@pytest.fixture
def styles(tmp_path: Path) -> None:
    for version in (1, 2):
        adapter(tmp_path / "adapters" / "style" / str(version), ScriptedEngine().base, seed=version)


async def test_a_promoted_version_is_loaded_before_it_counts(admin: Admin, styles: None) -> None:
    await admin.promote("style@1")
    listed = {one["label"]: one for one in admin.adapters()}
    assert listed["style@1"]["promoted"] and listed["style@1"]["loaded"]
    assert not listed["style@2"]["promoted"] and not listed["style@2"]["loaded"]
    assert len(listed["style@1"]["weights_sha256"]) == 64


async def test_a_rollback_brings_the_version_before_back(admin: Admin, styles: None) -> None:
    await admin.promote("style@1")
    await admin.promote("style@2")
    await admin.rollback("style")
    assert [one["label"] for one in admin.adapters() if one["promoted"]] == ["style@1"]


async def test_what_cannot_be_loaded_is_not_gone_back_to(
    admin: Admin, styles: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await admin.promote("style@1")
    await admin.promote("style@2")
    monkeypatch.setattr(admin._loader, "ready", refused)
    with pytest.raises(AdapterRefused, match="does not act"):
        await admin.rollback("style")
    assert [one["label"] for one in admin.adapters() if one["promoted"]] == ["style@2"]


async def refused(label: str) -> None:
    raise AdapterRefused(f"{label} does not act.")


async def test_promotions_at_once_come_one_after_the_other(admin: Admin, styles: None) -> None:
    await asyncio.gather(*(admin.promote(f"style@{1 + turn % 2}") for turn in range(20)))
    log = admin._registry.promotions()
    assert [entry["before"] for entry in log[1:]] == [entry["adapter"] for entry in log[:-1]]
    assert len(log) == 20


async def test_what_does_not_pass_the_gate_is_not_promoted(admin: Admin, styles: None, tmp_path: Path) -> None:
    await admin.promote("style@1")
    adapter(tmp_path / "adapters" / "style" / "3", "c" * 64, seed=3)
    with pytest.raises(AdapterRefused, match="base"):
        await admin.promote("style@3")
    with pytest.raises(UnknownAdapter):
        await admin.promote("style@9")
    assert [one["label"] for one in admin.adapters() if one["promoted"]] == ["style@1"]


def test_an_adapter_with_a_broken_card_is_listed_with_its_problem(admin: Admin, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "adapters" / "style" / "1", "b" * 64, seed=1)
    (folder / "card.json").write_text("{}")
    [listed] = admin.adapters()
    assert "no adapter card" in listed["problem"]


async def test_what_is_loaded_is_promoted_only_while_its_folder_has_the_same_weights(
    admin: Admin, styles: None, tmp_path: Path
) -> None:
    await admin.promote("style@1")
    await admin._loader.ready("style@2")
    replaced = tmp_path / "adapters" / "style" / "2"
    shutil.rmtree(replaced)
    adapter(replaced, ScriptedEngine().base, seed=3)
    with pytest.raises(AdapterRefused, match=r"style@2 is loaded with the weights .* restart the service"):
        await admin.promote("style@2")
    assert [one["label"] for one in admin.adapters() if one["promoted"]] == ["style@1"]


async def test_what_is_loaded_is_gone_back_to_only_while_its_folder_has_the_same_weights(
    admin: Admin, styles: None, tmp_path: Path
) -> None:
    await admin.promote("style@1")
    await admin.promote("style@2")
    replaced = tmp_path / "adapters" / "style" / "1"
    shutil.rmtree(replaced)
    adapter(replaced, ScriptedEngine().base, seed=3)
    with pytest.raises(AdapterRefused, match="style@1 is loaded with the weights"):
        await admin.rollback("style")
    assert [one["label"] for one in admin.adapters() if one["promoted"]] == ["style@2"]
