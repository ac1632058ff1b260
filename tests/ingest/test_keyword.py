import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.documents import PUBLIC
from ingest.keyword import search_terms
from ingest.library import Library
from tests.ingest.samples import make_document, put

READERS = {PUBLIC}


@pytest.fixture
def filled(library: Library) -> tuple[Library, str]:
    collection = library.ensure_collection("docs", "f").id
    put(
        library,
        collection,
        make_document("dental.md", "Dentists treat teeth.", "Veterans pay for dental care."),
    )
    put(
        library,
        collection,
        make_document("parking.md", "Parking costs two dollars.", "The café is near the exit."),
    )
    put(library, collection, make_document("staff.md", "Dental staff rota.", labels=frozenset({"staff"})))
    return library, collection


def found(filled: tuple[Library, str], question: str, readers: set[str] = READERS) -> list[str]:
    library, collection = filled
    hits = library.keyword_search(collection, question, 10, readers)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    passages = library.passages(collection, [hit.chunk_id for hit in hits], readers)
    return [passages[hit.chunk_id].text for hit in hits]


def test_words_are_found_in_any_form(filled: tuple[Library, str]) -> None:
    assert found(filled, "What does a dentist treat?")[0] == "Dentists treat teeth."
    assert found(filled, "PARK") == ["Parking costs two dollars.", "The café is near the exit."]


def test_a_word_in_the_title_counts(filled: tuple[Library, str]) -> None:
    assert set(found(filled, "dental")) == {"Dentists treat teeth.", "Veterans pay for dental care."}


def test_accents_are_searched_as_written(filled: tuple[Library, str]) -> None:
    assert found(filled, "café") == ["The café is near the exit."]


def test_only_what_the_reader_may_see_is_found(filled: tuple[Library, str]) -> None:
    assert "Dental staff rota." not in found(filled, "dental staff rota")
    assert found(filled, "rota", {"staff"}) == ["Dental staff rota."]
    assert found(filled, "dental", set()) == []


def test_another_collection_is_not_searched(filled: tuple[Library, str]) -> None:
    library, _ = filled
    other = library.ensure_collection("other", "f").id
    assert library.keyword_search(other, "dental", 10, READERS) == []


def test_a_changed_document_is_found_by_its_new_words_only(filled: tuple[Library, str]) -> None:
    library, collection = filled
    put(library, collection, make_document("parking.md", "Bicycles are free."))
    assert found(filled, "dollars") == []
    assert found(filled, "bicycle") == ["Bicycles are free."]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    question=st.text(alphabet=st.characters(exclude_categories=["Cs"]))
    | st.sampled_from(['" OR *', "a AND NOT (", "'; DROP", "NEAR(x y)", "-", "text:"])
)
def test_no_question_breaks_the_query(filled: tuple[Library, str], question: str) -> None:
    found(filled, question)


def test_search_terms_leave_out_stop_words_unless_there_is_nothing_else() -> None:
    assert search_terms("How do I file a claim, and a CLAIM?") == ["file", "claim"]
    assert search_terms("What is it?") == ["what", "is", "it"]
    assert search_terms("?!") == []
    assert len(search_terms(" ".join(f"w{number}" for number in range(500)))) == 64
