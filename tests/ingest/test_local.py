from ingest.local import LocalIngest, remove_document
from ingest.sources import Discovery, Upload
from ingest.sync import sync
from tests.ingest.conftest import OpenCorpus


def test_an_empty_corpus_has_nothing(open_in: OpenCorpus) -> None:
    with open_in() as corpus:
        ingest = LocalIngest(corpus)
        assert not ingest.documents() and not ingest.failures() and not ingest.stats()
        assert ingest.document("a.md") is None
        assert not ingest.remove("a.md")
        *_, report = ingest.sync(Discovery((), (), None), prune=False, labels=None)
        assert report.unchanged == 0  # type: ignore[union-attr]


def test_a_document_is_listed_shown_and_removed(open_in: OpenCorpus) -> None:
    with open_in() as corpus:
        list(sync(corpus, [Upload("a.md", b"# A\n\na text"), Upload("b.pdf", b"no pdf")]))
        ingest = LocalIngest(corpus)
        assert [one.title for one in ingest.documents()] == ["A"]
        assert [one.source for one in ingest.failures()] == ["b.pdf"]
        found = ingest.document("a.md")
        assert found and [chunk.text for chunk in found[1]] == ["a text"]
        assert [one.documents for one in ingest.stats()] == [1]
        assert ingest.remove("a.md")
        assert ingest.document("a.md") is None
        vector = corpus.embedder.embed_queries(["a text"])[0]
        assert corpus.serving and corpus.index.search(corpus.serving.id, vector, 3) == []


def test_a_document_is_removed_from_superseded_collections_too(open_in: OpenCorpus) -> None:
    with open_in(max_tokens=200) as corpus:
        list(sync(corpus, [Upload("a.md", b"a text"), Upload("b.md", b"b text")]))
    with open_in(max_tokens=60) as corpus:
        list(sync(corpus, []))
        collections = corpus.library.collections("documents")
        assert len(collections) == 2
        assert remove_document(corpus, "a.md")
        assert [set(corpus.library.document_hashes(one.id)) for one in collections] == [{"b.md"}, {"b.md"}]


def test_a_collection_of_a_name_that_is_no_longer_taken_goes_with_its_last_document(open_in: OpenCorpus) -> None:
    with open_in(name="my docs") as corpus:
        list(sync(corpus, [Upload("a.md", b"a text"), Upload("b.md", b"b text")]))
        assert remove_document(corpus, "a.md")
        assert [one.documents for one in corpus.library.stats()] == [1]
        assert remove_document(corpus, "b.md")
        assert corpus.library.stats() == []
        assert corpus.library.outbox.pending(1) == []
