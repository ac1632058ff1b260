from typing import Any

import pytest

from ingest.corpus import Corpus
from ingest.documents import document_id
from service.replay.passages import Shown, Stock, by_id, by_place, name_of, passage_sentences
from tests.service.conftest import PUBLIC_DOCUMENTS, ingest


def passage(
    number: int, chunk: str, place: str = "Visiting > Hours", source: str = "visiting.md"
) -> dict[str, Any]:
    return {"number": number, "chunk_id": chunk, "document_id": "d", "source": source, "place": place}


def gone(_: Shown) -> str:
    return "is gone"


def test_a_passage_that_is_gone_moved_or_new_is_named() -> None:
    then = [passage(1, "a"), passage(2, "b", "Visiting > Children")]
    now = [passage(1, "b", "Visiting > Children"), passage(2, "c", "Parking", "parking.md")]
    assert list(passage_sentences(then, now, gone, by_id)) == [
        "The passage visiting.md > Hours that was shown as 1 is gone.",
        "The passage visiting.md > Children was shown as 2 and is 1 now.",
        "The passage parking.md is shown as 2 now and was not then.",
    ]
    assert list(passage_sentences(then, then, gone, by_id)) == []


def test_the_same_place_in_another_version_is_told() -> None:
    then, now = [passage(1, "a")], [passage(1, "b")]
    *_, new = passage_sentences(then, now, gone, by_id)
    assert new == "The passage visiting.md > Hours is shown as 1 now and was not then, in this version."
    assert list(passage_sentences(then, now, gone, by_place)) == []


def test_a_passage_is_named_by_its_file_and_the_headings_below_the_title() -> None:
    assert name_of(passage(1, "a", "Visiting > Wards > Sundays")) == "visiting.md > Wards > Sundays"
    assert name_of(passage(1, "a", "Visiting")) == "visiting.md"


@pytest.fixture
def stock(empty_corpus: Corpus) -> Stock:
    ingest(empty_corpus, PUBLIC_DOCUMENTS)
    return Stock(empty_corpus.library, "hospital")


def first_of(corpus: Corpus, source: str) -> dict[str, Any]:
    """The document's first passage as a manifest tells it."""
    assert corpus.serving
    found = corpus.library.document(corpus.serving.id, source)
    assert found
    identity = document_id(corpus.serving.id, source)
    return passage(1, found[1][0].id, source=source) | {"document_id": identity}


def test_the_library_tells_what_became_of_a_passage(empty_corpus: Corpus, stock: Stock) -> None:
    shown = first_of(empty_corpus, "icu.md")
    assert stock.became(shown) == "is still in the collection hospital, but not among the best any more"
    ingest(empty_corpus, {"icu.md": "# Intensive care\n\n## Hours\nCome at noon."})
    assert stock.became(shown).endswith("as it was: its document was changed")
    ingest(empty_corpus, {"icu.md": "# Intensive care\n\n## Hours\nCome at noon."}, "staff")
    assert stock.became(shown) == "may only be read with a label now (staff)"
    assert empty_corpus.serving
    empty_corpus.library.remove_document(empty_corpus.serving.id, "icu.md")
    assert stock.became(shown) == "is no longer in the collection hospital: its document was removed"


def test_a_passage_of_another_indexed_state_is_not_called_changed(empty_corpus: Corpus, stock: Stock) -> None:
    shown = passage(1, "another id", source="icu.md") | {"document_id": "another id"}
    assert "still in the collection" in stock.became(shown)


def test_of_a_search_that_is_not_the_library_s_it_says_only_that(stock: Stock) -> None:
    assert stock.became(passage(1, "a") | {"collection": "shelf"}) == "is not found in shelf any more"
