"""Administration, all of it behind the admin key: documents, jobs, adapters."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from service.deps import ADMIN, ChatbotDep
from service.errors import NotFound
from service.schemas import Name, Promotion
from service.uploads import DESCRIPTION, SyncRequestDep

router = APIRouter(prefix="/admin", tags=["admin"], dependencies=ADMIN)


@router.get("/stats")
def stats(chatbot: ChatbotDep) -> dict[str, Any]:
    return {"collections": [asdict(each) for each in chatbot.admin.stats()]}


@router.get("/jobs")
def jobs(chatbot: ChatbotDep) -> dict[str, Any]:
    """The latest jobs, newest first."""
    return {"jobs": [asdict(job) for job in chatbot.admin.jobs()]}


@router.get("/jobs/{job_id}")
def job(job_id: str, chatbot: ChatbotDep) -> dict[str, Any]:
    found = chatbot.admin.job(job_id)
    if found is None:
        raise NotFound(f"No job {job_id!r}. GET /admin/jobs lists the latest.")
    return asdict(found)


@router.post("/documents", status_code=202, openapi_extra=DESCRIPTION)
def sync(asked: SyncRequestDep, chatbot: ChatbotDep) -> dict[str, str]:
    """Ingest the files in a job of its own. `present` names all files that exist; with `prune`, others go."""
    fields = asked.fields
    job = chatbot.admin.start_sync(fields.collection, asked.files, fields.present, fields.prune, fields.labels)
    return {"job": job}


@router.get("/documents")
def documents(chatbot: ChatbotDep, collection: Name | None = None) -> dict[str, Any]:
    """All documents, and the files that did not become one, with the reason."""
    return {
        "documents": [asdict(document) for document in chatbot.admin.documents(collection)],
        "failures": [asdict(failure) for failure in chatbot.admin.failures(collection)],
    }


@router.get("/documents/hashes")
def hashes(chatbot: ChatbotDep, collection: Name | None = None) -> dict[str, str]:
    """Source and content hash of every document, so that a client sends only what changed."""
    return chatbot.admin.hashes(collection)


@router.get("/documents/{source:path}")
def document(source: str, chatbot: ChatbotDep, collection: Name | None = None) -> dict[str, Any]:
    found = chatbot.admin.document(collection, source)
    if found is None:
        raise NotFound(f"No document {source!r}. GET /admin/documents lists them.")
    summary, chunks = found
    return {"document": asdict(summary), "chunks": [asdict(chunk) for chunk in chunks]}


@router.delete("/documents/{source:path}", status_code=204)
def remove(source: str, chatbot: ChatbotDep, collection: Name | None = None) -> None:
    if not chatbot.admin.remove(collection, source):
        raise NotFound(f"No document {source!r}. GET /admin/documents lists them.")


@router.get("/adapters")
def adapters(chatbot: ChatbotDep) -> dict[str, Any]:
    return {"adapters": chatbot.admin.adapters()}


@router.post("/adapters/{name}/promote", status_code=204)
async def promote(name: Name, body: Promotion, chatbot: ChatbotDep) -> None:
    """From now on the adapter's name alone means this version."""
    await chatbot.admin.promote(f"{name}@{body.version}", body.despite)


@router.post("/adapters/{name}/rollback", status_code=204)
async def rollback(name: Name, chatbot: ChatbotDep) -> None:
    """Promote the version that was promoted before."""
    await chatbot.admin.rollback(name)
