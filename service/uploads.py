"""Files that are uploaded for ingest; their form is read only after the admin key was checked."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from configs.retrieval import CollectionName
from ingest.sources import SourceError, Upload
from service.errors import InvalidRequest
from service.schemas import Label

FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
MAX_FIELD_BYTES = 16 * 2**20
# FastAPI reads the forms it knows of before it checks the key; so this one is only described to it.
DESCRIPTION = {
    "requestBody": {
        "content": {
            FORMS[0]: {
                "schema": {
                    "type": "object",
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "collection": {"type": "string"},
                        "prune": {"type": "string", "description": "JSON: true or false"},
                        "labels": {"type": "string", "description": "JSON: a list of labels"},
                        "present": {"type": "string", "description": "JSON: a list of all file names"},
                    },
                }
            }
        }
    }
}


class SyncFields(BaseModel):
    """The form's fields beside the files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    collection: CollectionName | None = None
    prune: Json[bool] = False
    # An empty list would open the files to everybody; without the field they keep the labels that they have.
    labels: Json[Annotated[frozenset[Label], Field(min_length=1)]] | None = None
    present: Json[list[str]] | None = None


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """The form: files in memory, and what to do with them."""

    fields: SyncFields
    files: tuple[Upload, ...]


async def sync_request(request: Request) -> SyncRequest:
    sent = request.headers.get("content-type", FORMS[0])
    if not sent.startswith(FORMS):
        raise HTTPException(415, f"Expected a {FORMS[0]} body with the files in the field 'files', got {sent!r}.")
    async with request.form(max_part_size=MAX_FIELD_BYTES) as form:
        return SyncRequest(fields(form), await files(form))


def fields(form: FormData) -> SyncFields:
    texts = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    try:
        return SyncFields.model_validate(texts)
    except ValidationError as error:
        found = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(found) from error


async def files(form: FormData) -> tuple[Upload, ...]:
    sent = [(name, value) for name, value in form.multi_items() if isinstance(value, UploadFile)]
    names = [value.filename or "" for _, value in sent]
    wrong = [name for name, _ in sent if name != "files"]
    if wrong or len(set(names)) < len(names):
        raise InvalidRequest("Expected all files in the field 'files', each under a name of its own.")
    try:
        return tuple([Upload(value.filename or "", await value.read()) for _, value in sent])
    except SourceError as error:
        raise InvalidRequest(str(error)) from error


SyncRequestDep = Annotated[SyncRequest, Depends(sync_request)]
