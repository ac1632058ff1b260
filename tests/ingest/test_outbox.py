from ingest.documents import document_id
from ingest.library import Library
from tests.ingest.samples import make_document, put


def test_each_change_waits_until_it_is_confirmed(library: Library) -> None:
    collection = library.ensure_collection("docs", "f").id
    old = put(library, collection, make_document("a.md", "one", "two"))
    put(library, collection, make_document("a.md", "three"))
    new = put(library, collection, make_document("b.md", "four"))
    library.remove_document(collection, "b.md")
    changes = library.outbox.pending(10)
    assert [change.document_id for change in changes] == [
        document_id(collection, source) for source in ("a.md", "a.md", "b.md", "b.md")
    ]
    assert [sorted(change.removed) for change in changes] == [[], sorted(old), [], new]
    library.outbox.confirm(changes[:3])
    assert library.outbox.pending(10) == changes[3:]


def test_the_changes_of_one_collection_are_told_apart(library: Library) -> None:
    one, other = (library.ensure_collection("docs", fingerprint).id for fingerprint in "fg")
    for collection in (one, other, one):
        put(library, collection, make_document("a.md", "one"))
    assert library.outbox.collections() == [one, other]
    assert [change.collection_id for change in library.outbox.pending(9, other)] == [other]
    library.outbox.confirm(library.outbox.pending(9, one))
    assert library.outbox.collections() == [other]


def test_removing_nothing_is_no_change(library: Library) -> None:
    collection = library.ensure_collection("docs", "f").id
    library.remove_document(collection, "a.md")
    assert library.outbox.pending(10) == []


def test_numbers_are_never_used_again(library: Library) -> None:
    collection = library.ensure_collection("docs", "f").id
    put(library, collection, make_document("a.md", "one"))
    first = library.outbox.pending(10)
    library.outbox.confirm(first)
    put(library, collection, make_document("a.md", "two"))
    assert library.outbox.pending(10)[0].number > first[0].number
