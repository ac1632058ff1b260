"""From the records and the library to what `triptych adapters harvest` looks at: plain values, nothing open."""

from collections.abc import Collection, Mapping
from typing import Any

from adapters.harvest import Judged, Kind, Shown, public_in
from ingest.documents import PUBLIC, Chunk, place
from ingest.library import Library
from service.records import Message, Records

MADE_BY = ("prompt_sha256", "adapter_sha256", "collection_fingerprint", "engine", "base")


class PublicDocuments:
    """The serving documents that everybody may read: an adapter says to all what it learned."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._known: dict[tuple[str, str], list[Chunk]] = {}

    def chunks(self, collection: str, source: str) -> list[Chunk]:
        """None of a document that is gone, or not for everybody. Each document is read once."""
        if (collection, source) not in self._known:
            serving = self._library.serving_collection(collection)
            found = self._library.document(serving.id, source) if serving else None
            self._known[collection, source] = found[1] if found and PUBLIC in found[0].labels else []
        return self._known[collection, source]


def judged_answers(records: Records, library: Library, reviewed: Collection[str] = ()) -> list[Judged]:
    """Answers with a word on them, and those of the reviewed conversations. Raises UnknownConversation."""
    documents = PublicDocuments(library)
    return [judged(message, documents) for message in records.judged(reviewed)]


def judged(message: Message, documents: PublicDocuments) -> Judged:
    manifest, word = message.manifest, message.feedback
    collection = manifest["acted"]["retrieval"] or ""
    sources = dict.fromkeys((one.get("collection") or collection, one["source"]) for one in manifest["passages"])
    texts = [chunk.text for source in sources for chunk in documents.chunks(*source)]
    return Judged(
        message=message.id,
        word=word.number if word else 0,
        kind=kind_of(message),
        question=message.question,
        answer=message.answer,
        corrected=word.corrected_answer if word else None,
        evidence_wrong=bool(word and "evidence_wrong" in word.reasons),
        follow_up=manifest.get("search_query") not in (None, message.question),
        path=manifest["path"],
        passages=tuple(shown(passage, collection, documents) for passage in manifest["passages"]),
        public=public_in(texts),
        answered=message.created,
        judged=word.created if word else None,
        made_by={**manifest["acted"], **{name: manifest.get(name) for name in MADE_BY}},
    )


def kind_of(message: Message) -> Kind:
    word = message.feedback
    if word is None:
        return "reviewed"
    if word.rating == "up":
        return "liked"
    return "corrected" if word.corrected_answer else "disliked"


def shown(passage: Mapping[str, Any], collection: str, documents: PublicDocuments) -> Shown:
    """By its place in the document: chunk ids change with every new version of it."""
    wanted = passage["place"]
    chunks = documents.chunks(passage.get("collection") or collection, passage["source"])
    here = [one for one in chunks if place(one.title, one.headings) == wanted]
    section = here[0].headings[-1] if here and here[0].headings else None
    text = "\n".join(one.text for one in here) if here else None
    return Shown(passage["number"], passage["source"], section, text, public=bool(chunks))
