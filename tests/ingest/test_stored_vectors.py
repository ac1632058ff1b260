import numpy as np
import pytest

from ingest.documents import PUBLIC, document_id
from ingest.library import Library
from tests.ingest.samples import make_chunks, make_document, make_vectors, put


@pytest.fixture
def collection(library: Library) -> str:
    return library.ensure_collection("docs", "f").id


def test_vectors_come_back_exactly(library: Library, collection: str) -> None:
    document = make_document("a.md", "one", "two", "three")
    chunks, vectors = make_chunks(collection, document), make_vectors(3)
    library.put_document(collection, document, chunks, vectors)
    ids, found = library.vectors.of_documents([document_id(collection, "a.md")])
    expected = dict(zip((chunk.id for chunk in chunks), vectors, strict=True))
    for chunk, vector in zip(ids, found, strict=True):
        np.testing.assert_array_equal(vector, expected[chunk])
    by_text = library.vectors.by_text(document_id(collection, "a.md"))
    assert by_text.keys() == {chunk.embedded_text for chunk in chunks}
    np.testing.assert_array_equal(by_text[chunks[1].embedded_text], vectors[1])


def test_a_chunk_s_sentences_keep_vectors_of_their_own(library: Library, collection: str) -> None:
    document = make_document("a.md", "one", "two")
    chunks, vectors = make_chunks(collection, document, "first", "second"), make_vectors(6)
    library.put_document(collection, document, chunks, vectors)
    stored = library.vectors.of_chunks([chunk.id for chunk in chunks] + ["unknown"])
    np.testing.assert_array_equal(np.concatenate([stored[chunk.id] for chunk in chunks]), vectors)
    by_text = library.vectors.by_text(document_id(collection, "a.md"))
    texts = [text for chunk in chunks for text in chunk.embedded_texts]
    np.testing.assert_array_equal(np.stack([by_text[text] for text in texts]), vectors)
    found = library.document(collection, "a.md")
    assert found
    assert found[1] == chunks
    _, indexed = library.vectors.of_documents([document_id(collection, "a.md")])
    assert len(indexed) == 2, "the index takes a chunk's own vector only"


def test_batches_hold_every_chunk_of_the_collection_once(library: Library, collection: str) -> None:
    ids = [id for number in range(5) for id in put(library, collection, make_document(f"{number}.md", "a", "b"))]
    put(library, library.ensure_collection("other", "f").id, make_document("x.md", "c"))
    found = [
        id for batch, vectors in library.vectors.batches(collection) for id in batch if len(vectors) == len(batch)
    ]
    assert sorted(found) == sorted(ids)
    assert library.vectors.ids(collection) == set(ids)


def test_exact_search_finds_the_nearest_first(library: Library, collection: str) -> None:
    document = make_document("a.md", *(f"text {number}" for number in range(50)))
    chunks, vectors = make_chunks(collection, document), make_vectors(50)
    library.put_document(collection, document, chunks, vectors)
    query = make_vectors(1, seed=9)[0]
    expected = sorted(zip(vectors @ query, (chunk.id for chunk in chunks), strict=True), reverse=True)[:7]
    hits = library.exact_search(collection, query, 7)
    assert [hit.chunk_id for hit in hits] == [id for _, id in expected]
    np.testing.assert_allclose([hit.score for hit in hits], [score for score, _ in expected], atol=1e-6)


def test_exact_search_remembers_the_nearest_of_every_batch(
    library: Library, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, vectors = make_document("a.md", *(f"text {number}" for number in range(20))), make_vectors(20)
    library.put_document(collection, document, make_chunks(collection, document), vectors)
    whole = library.exact_search(collection, vectors[3], 9)
    monkeypatch.setattr("ingest.stored_vectors._BATCH", 4)
    in_batches = library.exact_search(collection, vectors[3], 9)
    assert [hit.chunk_id for hit in in_batches] == [hit.chunk_id for hit in whole]


def test_exact_search_can_be_kept_to_what_a_reader_may_see(library: Library, collection: str) -> None:
    put(library, collection, make_document("a.md", "secret", labels=frozenset({"staff"})))
    public = put(library, collection, make_document("b.md", "open"), seed=5)
    query = make_vectors(1)[0]
    assert [hit.chunk_id for hit in library.exact_search(collection, query, 5, {PUBLIC})] == public
    assert library.exact_search(collection, query, 5, set()) == []
    assert len(library.exact_search(collection, query, 5)) == 2


def test_an_empty_collection_has_nothing(library: Library, collection: str) -> None:
    assert library.exact_search(collection, make_vectors(1)[0], 5) == []
    ids, vectors = library.vectors.of_documents([])
    assert (ids, len(vectors)) == ([], 0)
