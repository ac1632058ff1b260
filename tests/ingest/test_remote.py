import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ingest import remote
from ingest.local import LocalIngest
from ingest.remote import RemoteIngest, ServiceError
from ingest.report import Progress, SyncReport
from ingest.sources import discover
from tests.ingest.admin_api import KEY, AdminApi, served
from tests.ingest.conftest import OpenCorpus


@pytest.fixture
def api(open_in: OpenCorpus) -> Iterator[AdminApi]:
    with open_in() as corpus:
        yield AdminApi(corpus)


@pytest.fixture
def ingest(api: AdminApi) -> Iterator[RemoteIngest]:
    headers = {"Authorization": f"Bearer {KEY}"}
    with served(api) as url, httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
        yield RemoteIngest(client, "documents")


def write(folder: Path, **texts: str) -> Path:
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / "sub" / f"{name}.md").write_text(text)
    return folder


def run(
    ingest: RemoteIngest, *paths: Path, prune: bool = False, labels: frozenset[str] | None = None
) -> SyncReport:
    *progress, report = ingest.sync(discover(paths), prune=prune, labels=labels)
    assert all(isinstance(event, Progress) for event in progress)
    assert isinstance(report, SyncReport)
    return report


def test_a_folder_is_uploaded_with_its_relative_names(ingest: RemoteIngest, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="a text", ü="u text")
    (docs / "logo.png").write_bytes(b"png")
    report = run(ingest, docs)
    assert report.added == ("sub/a.md", "sub/ü.md")
    assert report.skipped == ("logo.png",)
    assert [one.source for one in ingest.documents()] == ["sub/a.md", "sub/ü.md"]


def test_only_what_changed_is_uploaded(ingest: RemoteIngest, api: AdminApi, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="a text", b="b text", c="c text")
    run(ingest, docs)
    write(docs, a="new text", d="d text")
    (docs / "sub/c.md").unlink()
    report = run(ingest, docs, prune=True)
    assert (report.added, report.changed, report.removed) == (("sub/d.md",), ("sub/a.md",), ("sub/c.md",))
    assert report.unchanged == 1
    again = run(ingest, docs, prune=True)
    assert (again.unchanged, again.added, again.changed, again.removed) == (3, (), (), ())
    assert [sorted(names) for names in api.uploads[1:]] == [["sub/a.md", "sub/d.md"], []]


def test_many_files_are_uploaded_in_parts(
    ingest: RemoteIngest, api: AdminApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_FILES_PER_UPLOAD", 2)
    docs = write(tmp_path / "docs", a="a text", b="b text", c="c text", d="d text", e="e text")
    events = list(ingest.sync(discover([docs]), prune=True, labels=frozenset({"staff"})))
    report = events[-1]
    assert isinstance(report, SyncReport)
    assert [len(names) for names in api.uploads] == [2, 2, 1]
    assert len(report.added) == 5
    assert (report.unchanged, report.removed) == (0, ())
    assert {one.labels for one in ingest.documents()} == {("staff",)}
    assert max(event.done for event in events if isinstance(event, Progress)) == 5


def test_failures_come_back_with_their_reason(ingest: RemoteIngest, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="a text")
    (docs / "b.pdf").write_bytes(b"no pdf")
    report = run(ingest, docs)
    assert [failure.source for failure in report.failed] == ["b.pdf"]
    assert [failure.reason for failure in ingest.failures()] == [report.failed[0].reason]


def test_it_shows_the_same_as_the_owner_does(ingest: RemoteIngest, api: AdminApi, tmp_path: Path) -> None:
    run(ingest, write(tmp_path / "docs", a="# A\n\n## Part\n\ntext"))
    local = LocalIngest(api._corpus)
    assert ingest.document("sub/a.md") == local.document("sub/a.md") is not None
    assert ingest.documents() == local.documents()
    assert ingest.stats() == local.stats()
    assert ingest.document("unknown.md") is None
    assert ingest.document("hashes") is None, "another route has this name"
    assert ingest.remove("sub/a.md")
    assert not ingest.remove("sub/a.md")
    assert local.documents() == []


def test_a_refusal_tells_the_status(api: AdminApi) -> None:
    with (
        served(api) as url,
        httpx.Client(base_url=url) as client,
        pytest.raises(ServiceError, match=r"refused .* 500"),
    ):
        RemoteIngest(client, "documents").documents()


def test_a_service_that_does_not_answer_is_named() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with httpx.Client(base_url=url) as client, pytest.raises(ServiceError, match=url):
            RemoteIngest(client, "documents").documents()


def test_a_label_for_an_unchanged_file_arrives(ingest: RemoteIngest, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="a text", b="b text")
    files = [docs / "sub/a.md", docs / "sub/b.md"]
    run(ingest, *files)
    assert run(ingest, files[0], labels=frozenset({"staff"})).relabelled == ("a.md",)
    assert {one.source: one.labels for one in ingest.documents()} == {"a.md": ("staff",), "b.md": ("public",)}


def test_a_link_that_leads_nowhere_fails_alone(ingest: RemoteIngest, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="a text")
    (docs / "gone.md").symlink_to("nowhere")
    report = run(ingest, docs, prune=True)
    assert report.added == ("sub/a.md",)
    assert [failure.source for failure in report.failed] == ["gone.md"]
