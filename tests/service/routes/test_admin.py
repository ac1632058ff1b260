"""Documents through the admin API, as the ingest command sends them; a real corpus takes them in."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.registry import Registry
from ingest.corpus import Corpus
from ingest.remote import RemoteIngest
from ingest.report import SyncReport
from ingest.sources import discover
from service.admin import Admin
from service.loading import AdapterLoader
from tests.service.parts import ScriptedEngine
from tests.service.scripted import ADMIN_KEY, ScriptedChatbot, running, sent

KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}
UPLOAD = "/admin/documents"


@pytest.fixture
def client(empty_corpus: Corpus, tmp_path: Path) -> Iterator[httpx.Client]:
    registry = Registry(tmp_path / "shipped", tmp_path / "own")
    chatbot = ScriptedChatbot()
    with (
        closing(Admin(empty_corpus, registry, AdapterLoader(registry, ScriptedEngine(), 3))) as chatbot.admin,
        running(chatbot, max_upload_bytes=100_000) as client,
    ):
        client.headers = httpx.Headers(KEY)
        yield client


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    (folder / "guides").mkdir()
    (folder / "guides" / "führung (1).md").write_text("# Tour\n\nThe tour starts at noon.", encoding="utf-8")
    (folder / "parking.md").write_text("# Parking\n\nParking costs two dollars.", encoding="utf-8")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    return folder


def synced(remote: RemoteIngest, folder: Path, **options: Any) -> SyncReport:
    *_, report = remote.sync(discover([folder]), **{"prune": False, "labels": None, **options})
    assert isinstance(report, SyncReport)
    return report


def test_the_ingest_command_works_through_the_service(client: httpx.Client, folder: Path) -> None:
    remote = RemoteIngest(client, "hospital")
    report = synced(remote, folder, labels=frozenset({"staff"}))
    assert set(report.added) == {"guides/führung (1).md", "parking.md"}
    assert [failure.source for failure in remote.failures()] == ["broken.pdf"]
    summary, chunks = remote.document("guides/führung (1).md") or pytest.fail("the document is missing")
    assert (summary.title, summary.labels) == ("Tour", ("staff",))
    assert "noon" in chunks[0].text
    assert remote.stats()[0].documents == 2


def test_the_second_sync_sends_only_what_changed_and_prunes_the_rest(client: httpx.Client, folder: Path) -> None:
    remote = RemoteIngest(client, "hospital")
    synced(remote, folder)
    (folder / "parking.md").unlink()
    (folder / "broken.pdf").unlink()
    (folder / "new.txt").write_text("The cafe opens at seven.")
    report = synced(remote, folder, prune=True)
    assert (report.added, report.removed, report.unchanged) == (("new.txt",), ("parking.md",), 1)
    assert [document.source for document in remote.documents()] == ["guides/führung (1).md", "new.txt"]


def test_a_document_can_be_removed_once(client: httpx.Client, folder: Path) -> None:
    remote = RemoteIngest(client, "hospital")
    synced(remote, folder)
    assert remote.remove("parking.md")
    assert not remote.remove("parking.md")
    assert remote.document("parking.md") is None


def test_jobs_are_listed_with_their_reports(client: httpx.Client, folder: Path) -> None:
    synced(RemoteIngest(client, "hospital"), folder)
    [job] = client.get("/admin/jobs").json()["jobs"]
    assert (job["state"], job["done"], job["total"]) == ("done", 3, 3)
    assert job["report"]["added"]
    assert client.get("/admin/jobs/none").json()["type"] == "/problems/not-found"


@pytest.mark.parametrize(
    ("fields", "names", "pointer"),
    [
        ({"labels": "staff"}, [], "#/labels"),
        ({"labels": '["no blanks"]'}, [], "#/labels/0"),
        ({"present": '{"a": 1}'}, [], "#/present"),
        ({"prune": "perhaps"}, [], "#/prune"),
        ({"collection": "../x"}, [], "#/collection"),
        ({"folder": "/etc"}, [], "#/folder"),
        ({}, ["../../etc/passwd"], "../../etc/passwd"),
        ({}, ["/etc/passwd"], "/etc/passwd"),
        ({}, ["a.md", "a.md"], "a name of its own"),
    ],
)
def test_wrong_forms_are_refused_and_start_nothing(
    client: httpx.Client, fields: dict[str, str], names: list[str], pointer: str
) -> None:
    files = [("files", (name, b"# Text")) for name in names or ["fine.md"]]
    response = client.post(UPLOAD, data=fields, files=files)
    assert response.status_code == 422
    assert pointer in json.dumps(response.json())
    assert client.get("/admin/jobs").json()["jobs"] == []


def test_adapters_that_do_not_exist_cannot_be_promoted(client: httpx.Client) -> None:
    assert client.get("/admin/adapters").json() == {"adapters": []}
    promoted = client.post("/admin/adapters/house-style/promote", json={"version": 3})
    rolled_back = client.post("/admin/adapters/house-style/rollback")
    assert promoted.status_code == rolled_back.status_code == 404
    assert promoted.json()["type"] == rolled_back.json()["type"] == "/problems/unknown-adapter"


def test_files_belong_in_the_field_files(client: httpx.Client) -> None:
    assert client.post(UPLOAD, files={"file": ("a.md", b"# Text")}).status_code == 422


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"nothing", "multipart/form-data; boundary=x", 400),
        (b"nothing", "multipart/form-data", 400),
        (b"x" * 100_001, "multipart/form-data; boundary=x", 413),
    ],
)
def test_bodies_that_are_no_form_are_refused(client: httpx.Client, content: bytes, kind: str, status: int) -> None:
    response = client.post(UPLOAD, content=content, headers={"Content-Type": kind})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


def test_without_the_key_the_body_is_not_even_waited_for() -> None:
    head = f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    with running(ScriptedChatbot()) as client:
        answer = sent(client, f"{head}Content-Length: 50000\r\n\r\n--x\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 401 ")
