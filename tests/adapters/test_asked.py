import pytest

from adapters.asked import asked_of
from adapters.examples import Pool, StyleExample
from ingest.documents import Passage
from ingest.embed import Embedder

PLACES = {
    ("parking.md", ()): "Parking is open to everybody.",
    ("parking.md", ("North Garage",)): "The North Garage costs $3 an hour.",
    ("parking.md", ("South Lot",)): "The South Lot is free at night.",
    ("visiting.md", ("Hours",)): "You can visit from 10 a.m. to 8 p.m.",
}


@pytest.fixture(scope="module")
def pool(embedder: Embedder) -> Pool:
    passages = tuple(
        Passage(str(number), source, source, source.removesuffix(".md"), headings, number, text)
        for number, ((source, headings), text) in enumerate(PLACES.items())
    )
    return Pool(passages, embedder.embed([passage.embedded_text for passage in passages]))


def question(document: str | None, section: str | None, text: str) -> StyleExample:
    return StyleExample("q", document, section, text, "")


@pytest.mark.parametrize(
    ("section", "text"),
    [("North Garage", "The North Garage costs $3 an hour."), ("", "Parking is open to everybody.")],
)
def test_a_question_comes_with_its_passage_and_the_nearest_others(
    pool: Pool, embedder: Embedder, section: str, text: str
) -> None:
    (asked,) = asked_of([question("parking.md", section, "where do I leave my car?")], pool, embedder, 2)
    assert asked.answering is not None
    assert asked.answering.endswith(text)
    assert len(asked.others) == 2
    assert asked.answering not in asked.others
    assert all(other.startswith("parking") for other in asked.others), "the nearest wrong ones"


def test_a_question_without_an_answer_comes_with_the_nearest_passages(pool: Pool, embedder: Embedder) -> None:
    (asked,) = asked_of([question(None, None, "when is visiting time on the ward?")], pool, embedder, 1)
    assert asked.answering is None
    assert asked.others == ("visiting > Hours\nYou can visit from 10 a.m. to 8 p.m.",)
