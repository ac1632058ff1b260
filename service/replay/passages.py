"""Which passages were shown then and are shown now, and what became of the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.documents import PUBLIC
from ingest.library import Library

# A passage as a manifest tells it.
Shown = Mapping[str, Any]
Key = Callable[[Shown], object]


@dataclass(frozen=True, slots=True)
class Stock:
    """What the library has of a collection now; `name` None is retrieval switched off."""

    library: Library
    name: str | None

    def became(self, passage: Shown) -> str:
        """What became of a passage that is not shown any more, as the end of a sentence."""
        name = passage.get("collection") or self.name
        serving = self.library.serving_collection(name) if name else None
        if serving is None:
            return f"is not found in {name} any more"
        found = self.library.document(serving.id, passage["source"])
        if found is None:
            return f"is no longer in the collection {name}: its document was removed"
        document, chunks = found
        if PUBLIC not in document.labels:
            return f"may only be read with a label now ({', '.join(document.labels)})"
        if passage["document_id"] == document.id and passage["chunk_id"] not in {chunk.id for chunk in chunks}:
            return f"is no longer in the collection {name} as it was: its document was changed"
        return f"is still in the collection {name}, but not among the best any more"


def passage_sentences(
    then: Sequence[Shown], now: Sequence[Shown], became: Callable[[Shown], str], key: Key
) -> Iterator[str]:
    """A sentence for each passage that is gone, moved or new; `key` tells which are the same passage."""
    shown = {key(one): one["number"] for one in now}
    before = {key(one) for one in then}
    for one in then:
        if key(one) not in shown:
            yield f"The passage {name_of(one)} that was shown as {one['number']} {became(one)}."
        elif shown[key(one)] != one["number"]:
            yield f"The passage {name_of(one)} was shown as {one['number']} and is {shown[key(one)]} now."
    for one in now:
        if key(one) not in before:
            edition = ", in this version" if by_place(one) in {by_place(other) for other in then} else ""
            yield f"The passage {name_of(one)} is shown as {one['number']} now and was not then{edition}."


def by_id(passage: Shown) -> object:
    return passage["chunk_id"]


def by_place(passage: Shown) -> object:
    """Across two indexed states of the documents, whose ids have nothing in common."""
    return passage["source"], passage["place"]


def name_of(passage: Shown) -> str:
    """Its file and the headings below the title."""
    _, _, headings = passage["place"].partition(" > ")
    return f"{passage['source']} > {headings}" if headings else str(passage["source"])
