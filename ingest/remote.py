"""Ingest through the service that owns the data folder, over its admin API."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

from ingest.documents import Chunk, content_hash
from ingest.records import CollectionStats, DocumentSummary, Failure, now
from ingest.report import Progress, SyncReport
from ingest.sources import Discovery, DiskFile

_LARGEST_FILE = 20 * 1024 * 1024
_FILES_PER_UPLOAD = 200
_BYTES_PER_UPLOAD = 32 * 1024 * 1024
_POLL_SECONDS = 0.25


class ServiceError(Exception):
    """The service cannot be reached or refuses; the message says which and what to do."""


class RemoteIngest:
    """The commands' view of a running service; the same methods as `LocalIngest`.

    The client carries the service's address and the admin key.
    """

    def __init__(self, client: httpx.Client, collection: str) -> None:
        self._client = client
        self._collection = collection

    def sync(
        self, discovery: Discovery, *, prune: bool, labels: frozenset[str] | None
    ) -> Iterator[Progress | SyncReport]:
        """Uploads what is new or changed; the last upload tells what exists, so that the rest can go.

        Files that are named singly are all uploaded: only so does the service know which ones a label is for.
        """
        known = self._call("GET", "/admin/documents/hashes") if discovery.present is not None else {}
        failed = [failure for file in discovery.files if (failure := _unreadable(file))]
        readable = [file for file in discovery.files if file.source not in {failure.source for failure in failed}]
        changed = [file for file in readable if known.get(file.source) != content_hash(_content(file))]
        uploads = list(_uploads(changed)) or [[]]
        report, done = SyncReport(""), 0
        for number, files in enumerate(uploads, 1):
            form = {"labels": json.dumps(sorted(labels))} if labels else {}
            if number == len(uploads) and discovery.present is not None:
                form |= {"prune": json.dumps(prune), "present": json.dumps(sorted(discovery.present))}
            for event in self._follow(self._upload(files, form)):
                if isinstance(event, SyncReport):
                    report += event
                else:
                    yield Progress("", done + event.done, len(changed))
            done += len(files)
        yield replace(report, skipped=discovery.skipped, failed=(*report.failed, *failed))

    def documents(self) -> list[DocumentSummary]:
        listed = self._call("GET", "/admin/documents")["documents"]
        return TypeAdapter(list[DocumentSummary]).validate_python(listed)

    def failures(self) -> list[Failure]:
        return [Failure(**one) for one in self._call("GET", "/admin/documents")["failures"]]

    def document(self, source: str) -> tuple[DocumentSummary, list[Chunk]] | None:
        if not PurePosixPath(source).suffix:
            # No document's name; the service may have another route there, as it has at `hashes`.
            return None
        found = self._call("GET", f"/admin/documents/{quote(source)}", missing=None)
        told = TypeAdapter(tuple[DocumentSummary, list[Chunk]])
        return told.validate_python((found["document"], found["chunks"])) if found else None

    def remove(self, source: str) -> bool:
        return self._call("DELETE", f"/admin/documents/{quote(source)}", missing=False) is not False

    def stats(self) -> list[CollectionStats]:
        return [CollectionStats(**one) for one in self._call("GET", "/admin/stats")["collections"]]

    def _upload(self, files: Sequence[DiskFile], form: dict[str, str]) -> str:
        parts = [("files", (file.source, _content(file))) for file in files]
        data = {**form, "collection": self._collection}
        return str(self._call("POST", "/admin/documents", data=data, files=parts)["job"])

    def _follow(self, job: str) -> Iterator[Progress | SyncReport]:
        while True:
            state = self._call("GET", f"/admin/jobs/{job}")
            if state["state"] == "failed":
                raise ServiceError(
                    f"The service could not finish job {job}: {(state['report'] or {}).get('error')}"
                )
            yield Progress("", state["done"], state["total"])
            if state["state"] == "done":
                yield SyncReport.from_json(state["report"])
                return
            time.sleep(_POLL_SECONDS)

    def _call(self, method: str, path: str, *, missing: Any = ..., **content: Any) -> Any:
        """The answer's JSON; `missing` if there is no such thing."""
        try:
            answer = self._client.request(method, path, params={"collection": self._collection}, **content)
        except httpx.TransportError as error:
            raise ServiceError(
                f"The service at {self._client.base_url} owns the data folder and does not answer "
                f"({type(error).__name__}). Wait until it has started, or stop it."
            ) from None
        if answer.status_code == httpx.codes.NOT_FOUND and missing is not ...:
            return missing
        if answer.is_error:
            raise ServiceError(
                f"The service refused {method} {path} with {answer.status_code}: {answer.text[:300]}"
            )
        return answer.json() if answer.content else None


def _unreadable(file: DiskFile) -> Failure | None:
    try:
        file.read(0)
    except OSError as error:
        return Failure(file.source, f"It cannot be read: {error.strerror}.", now())
    return None


def _content(file: DiskFile) -> bytes:
    return file.read(_LARGEST_FILE)


def _uploads(files: Sequence[DiskFile]) -> Iterator[list[DiskFile]]:
    """The files in parts of bounded size, as servers bound what they accept."""
    part: list[DiskFile] = []
    size = 0
    for file in files:
        length = file.path.stat().st_size
        if part and (len(part) == _FILES_PER_UPLOAD or size + length > _BYTES_PER_UPLOAD):
            yield part
            part, size = [], 0
        part.append(file)
        size += length
    if part:
        yield part
