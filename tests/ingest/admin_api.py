"""The admin API that `RemoteIngest` speaks, on a real socket, with as little around it as possible."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ingest.corpus import Corpus
from ingest.local import LocalIngest
from ingest.report import Progress, SyncReport
from ingest.sources import Upload
from ingest.sync import sync

KEY = "admin-key"


class AdminApi:
    """Runs each job when it is posted. `uploads` holds the names of the files of each."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self.uploads: list[list[str]] = []
        paths = [
            ("/admin/documents", self.post, "POST"),
            ("/admin/documents", self.list, "GET"),
            ("/admin/documents/hashes", self.hashes, "GET"),
            ("/admin/documents/{source:path}", self.show, "GET"),
            ("/admin/documents/{source:path}", self.remove, "DELETE"),
            ("/admin/jobs/{id}", self.job, "GET"),
            ("/admin/stats", self.stats, "GET"),
        ]
        self.app = Starlette(routes=[Route(path, answer, methods=[method]) for path, answer, method in paths])

    def _named(self, request: Request) -> Corpus:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        return self._corpus.named(request.query_params["collection"])

    async def post(self, request: Request) -> Response:
        corpus = self._named(request)
        async with request.form() as form:
            files = [Upload(file.filename, await file.read()) for file in form.getlist("files")]  # type: ignore[union-attr, arg-type]
            given = form.keys() & {"prune", "present", "labels"}
            values: dict[str, Any] = {name: json.loads(str(form[name])) for name in given}
        self.uploads.append([file.source for file in files])
        labels = frozenset(values.pop("labels")) if "labels" in values else None
        job = corpus.library.jobs.start("sync", len(files))
        for event in sync(corpus, files, labels=labels, **values):
            if isinstance(event, Progress):
                corpus.library.jobs.progress(job.id, event.done, event.total)
            elif isinstance(event, SyncReport):
                corpus.library.jobs.finish(job.id, event.to_json())
        return JSONResponse({"job": job.id}, 202)

    async def job(self, request: Request) -> Response:
        job = self._corpus.library.jobs.get(request.path_params["id"])
        return JSONResponse(asdict(job)) if job else Response(status_code=404)

    async def list(self, request: Request) -> Response:
        ingest = LocalIngest(self._named(request))
        documents, failures = map(asdict, ingest.documents()), map(asdict, ingest.failures())
        return JSONResponse({"documents": [*documents], "failures": [*failures]})

    async def hashes(self, request: Request) -> Response:
        corpus = self._named(request)
        return JSONResponse(corpus.library.document_hashes(corpus.serving.id) if corpus.serving else {})

    async def show(self, request: Request) -> Response:
        found = LocalIngest(self._named(request)).document(request.path_params["source"])
        if not found:
            return Response(status_code=404)
        return JSONResponse({"document": asdict(found[0]), "chunks": [asdict(chunk) for chunk in found[1]]})

    async def remove(self, request: Request) -> Response:
        removed = LocalIngest(self._named(request)).remove(request.path_params["source"])
        return Response(status_code=204 if removed else 404)

    async def stats(self, request: Request) -> Response:
        return JSONResponse({"collections": [asdict(one) for one in LocalIngest(self._corpus).stats()]})


@contextmanager
def served(api: AdminApi) -> Iterator[str]:
    """The address of the running server."""
    server = uvicorn.Server(uvicorn.Config(api.app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
