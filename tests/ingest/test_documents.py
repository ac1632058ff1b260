from ingest.documents import Chunk, Passage, chunk_id, document_id


def test_a_document_keeps_its_id_and_its_chunks_do_not() -> None:
    document = document_id("a", "guides/x.md")
    assert document == document_id("a", "guides/x.md") != document_id("b", "guides/x.md")
    assert chunk_id(document, "first", 0) == chunk_id(document, "first", 0)
    assert len({chunk_id(document, revision, place) for revision in ("first", "second") for place in (0, 1)}) == 4


def test_the_embedded_text_starts_with_its_place() -> None:
    assert Chunk("1", 0, "Title", ("A", "B"), "text").embedded_text == "Title > A > B\ntext"


def test_a_passage_tells_its_place() -> None:
    assert Passage("1", "d", "x.md", "Title", ("A",), 0, "text").place == "Title > A"
