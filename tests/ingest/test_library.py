from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from ingest.database import LibraryError
from ingest.documents import PUBLIC, Document
from ingest.library import Library, open_library
from ingest.records import Collection
from tests.ingest.samples import make_chunks, make_document, make_vectors, put


@pytest.fixture
def collection(library: Library) -> Collection:
    return library.ensure_collection("docs", "f1")


def test_the_first_collection_of_a_name_serves(library: Library) -> None:
    first = library.ensure_collection("docs", "f1")
    second = library.ensure_collection("docs", "f2")
    assert (first.serving, second.serving) == (True, False)
    assert library.serving_collection("docs") == first == library.ensure_collection("docs", "f1")
    assert library.serving_collection("other") is None


def test_a_switch_leaves_one_serving(library: Library) -> None:
    library.ensure_collection("docs", "f1")
    other = library.ensure_collection("other", "f1")
    library.switch_collection(library.ensure_collection("docs", "f2"))
    assert [one.fingerprint for one in library.collections("docs") if one.serving] == ["f2"]
    assert library.serving_collection("other") == other


def test_a_document_comes_back_as_it_was_put(library: Library, collection: Collection) -> None:
    document = make_document("a.md", "First.", "Second “quoted”.", labels=frozenset({"staff", "nurses"}))
    put(library, collection.id, document)
    found = library.document(collection.id, "a.md")
    assert found is not None
    summary, chunks = found
    assert (summary.source, summary.title, summary.chunks) == ("a.md", "A", 2)
    assert summary.labels == ("nurses", "staff")
    assert chunks == make_chunks(collection.id, document)
    assert library.parsed_document(collection.id, "a.md") == document
    assert library.documents(collection.id) == [summary]
    assert library.document_hashes(collection.id) == {"a.md": document.content_hash}


def test_a_document_is_replaced_as_a_whole(library: Library, collection: Collection) -> None:
    old = put(library, collection.id, make_document("a.md", "one", "two", "three"))
    new = put(library, collection.id, make_document("a.md", "one", "other"))
    assert library.passages(collection.id, old, {PUBLIC}) == {}
    assert library.passages(collection.id, new, {PUBLIC}).keys() == set(new)
    assert library.vectors.ids(collection.id) == set(new)


def test_a_failing_put_changes_nothing(library: Library, collection: Collection) -> None:
    old = put(library, collection.id, make_document("a.md", "one"))
    document = make_document("a.md", "two", "three")
    twice = [*make_chunks(collection.id, document)[:1]] * 2
    with pytest.raises(Exception, match=r"(?i)unique"):
        library.put_document(collection.id, document, twice, make_vectors(2))
    assert library.passages(collection.id, old, {PUBLIC})
    assert len(library.outbox.pending(10)) == 1


def test_each_text_needs_a_vector_and_each_document_a_label(library: Library, collection: Collection) -> None:
    document = make_document("a.md", "one", "two")
    with pytest.raises(ValueError, match="2 texts and 1 vectors"):
        library.put_document(collection.id, document, make_chunks(collection.id, document), make_vectors(1))
    with pytest.raises(ValueError, match="label"):
        put(library, collection.id, make_document("a.md", "one", labels=frozenset()))
    assert library.documents(collection.id) == []


def test_passages_are_only_for_those_who_may_read_them(library: Library, collection: Collection) -> None:
    ids = put(library, collection.id, make_document("a.md", "secret", labels=frozenset({"staff", "nurses"})))
    assert library.passages(collection.id, ids, {PUBLIC}) == {}
    assert library.passages(collection.id, ids, set()) == {}
    assert library.passages("docs-other", ids, {"staff"}) == {}
    (passage,) = library.passages(collection.id, [*ids, "unknown"], {"nurses", "x"}).values()
    assert (passage.source, passage.text, passage.place) == ("a.md", "secret", "A > Part 1")


def test_new_labels_count_at_once(library: Library, collection: Collection) -> None:
    ids = put(library, collection.id, make_document("a.md", "text"))
    library.set_labels(collection.id, "a.md", {"staff"})
    assert library.passages(collection.id, ids, {PUBLIC}) == {}
    assert library.passages(collection.id, ids, {"staff"})
    with pytest.raises(ValueError, match="label"):
        library.set_labels(collection.id, "a.md", set())


def test_a_removed_document_is_gone(library: Library, collection: Collection) -> None:
    ids = put(library, collection.id, make_document("a.md", "text"))
    kept = put(library, collection.id, make_document("b.md", "other"))
    assert library.remove_document(collection.id, "a.md")
    assert not library.remove_document(collection.id, "a.md")
    assert library.document(collection.id, "a.md") is None
    assert library.passages(collection.id, [*ids, *kept], {PUBLIC}).keys() == set(kept)


def test_a_dropped_collection_leaves_the_others(library: Library, collection: Collection) -> None:
    other = library.ensure_collection("docs", "f2")
    for one in (collection, other):
        put(library, one.id, make_document("a.md", "text"))
    library.drop_collection(collection.id)
    assert library.collections("docs") == [other]
    assert library.vectors.ids(collection.id) == set()
    assert len(library.vectors.ids(other.id)) == 1
    assert {change.collection_id for change in library.outbox.pending(10)} == {other.id}


def test_a_collection_that_another_service_dropped_takes_nothing_and_does_not_serve(
    library: Library, collection: Collection
) -> None:
    half_built = library.ensure_collection(collection.name, "other")
    library.drop_collection(half_built.id)
    with pytest.raises(LibraryError, match="dropped meanwhile"):
        put(library, half_built.id, make_document("a.md", "one"))
    with pytest.raises(LibraryError, match="dropped meanwhile"):
        library.switch_collection(half_built)
    assert library.serving_collection(collection.name) == collection


def test_a_failure_stays_until_it_is_cleared_or_the_file_succeeds(library: Library, collection: Collection) -> None:
    for source in ("a.md", "b.md", "c.md"):
        library.record_failure("docs", source, "first reason")
    library.record_failure("docs", "a.md", "second reason")
    assert library.failures("docs")[0].reason == "second reason"
    put(library, collection.id, make_document("a.md", "text"))
    library.clear_failures("docs", ["b.md"])
    assert [one.source for one in library.failures("docs")] == ["c.md"]
    assert library.failures("other") == []


def test_stats_count_each_collection(library: Library, collection: Collection) -> None:
    library.ensure_collection("docs", "f2")
    put(library, collection.id, make_document("a.md", "one", "two"))
    library.record_failure("docs", "b.md", "reason")
    first, second = library.stats()
    assert (first.serving, first.documents, first.chunks, first.waiting, first.failures) == (True, 1, 2, 1, 1)
    assert (second.serving, second.documents, second.chunks, second.waiting) == (False, 0, 0, 0)


def test_threads_can_write_and_read_together(library: Library, collection: Collection) -> None:
    def work(number: int) -> int:
        put(library, collection.id, make_document(f"{number % 10}.md", f"text {number}", "more"))
        return len(library.keyword_search(collection.id, "text", 50, {PUBLIC}))

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(work, range(60)))
    assert all(counts)
    assert len(library.documents(collection.id)) == 10
    assert len(library.vectors.ids(collection.id)) == 20


def test_a_library_can_be_opened_again(tmp_path: Path) -> None:
    with closing(open_library(None, tmp_path)) as library:
        ids = put(library, library.ensure_collection("docs", "f").id, make_document("a.md", "text"))
    with closing(open_library(None, tmp_path)) as library:
        assert library.passages("docs-f", ids, {PUBLIC})


@pytest.mark.parametrize(
    "leave", [Library.remove_document, lambda library, *place: put(library, place[0], other())]
)
def test_deleted_text_leaves_no_trace_on_disk(tmp_path: Path, leave: Callable[..., object]) -> None:
    with closing(open_library(None, tmp_path)) as library:
        collection = library.ensure_collection("docs", "f").id
        put(library, collection, make_document("a.md", "The patient Zebediah came back."))
        put(library, collection, make_document("b.md", "Opening hours."))
        leave(library, collection, "a.md")
        library.compact()
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert not [file for file in files if b"ebedia" in file.read_bytes().lower()]
        assert library.keyword_search(collection, "opening", 5, {PUBLIC})


def other() -> Document:
    return make_document("a.md", "Nothing of the kind.")
