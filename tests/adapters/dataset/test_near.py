import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.dataset.entries import Entry, Finding
from adapters.dataset.near import NEAR, near_across, near_earlier, place_in
from adapters.examples import Pool, StyleExample
from ingest.documents import Passage

HOURS = Passage("c1", "a.md", "a.md", "Visits", ("Wards", "Hours"), 0, "The ward is open from ten every day.")
COSTS = Passage("c2", "b.md", "b.md", "Costs", (), 0, "Parking costs two dollars.")
POOL = Pool((HOURS, COSTS), np.eye(2, dtype=np.float32))


def at(*degrees: float) -> np.ndarray:
    turned = np.radians(np.array(degrees, dtype=np.float32))
    return np.stack([np.cos(turned), np.sin(turned)], axis=1)


@given(st.lists(st.floats(0, 180, width=32), max_size=8))
def test_every_text_near_an_earlier_one_is_told_and_no_other(degrees: list[float]) -> None:
    vectors = at(*degrees) if degrees else np.empty((0, 2), dtype=np.float32)
    places = [str(number) for number in range(len(degrees))]
    near = [
        str(n) for n in range(len(degrees)) if any(float(vectors[m] @ vectors[n]) >= NEAR + 1e-6 for m in range(n))
    ]
    found = [finding.place for finding in near_earlier(places, vectors, "near-question", "its question")]
    assert set(near) <= set(found)
    assert all(max(float(vectors[m] @ vectors[int(n)]) for m in range(int(n))) >= NEAR - 1e-6 for n in found)


def test_a_question_near_one_of_another_split_is_a_leak() -> None:
    found = list(near_across(["a", "b"], at(0, 90), ["v", "w"], at(45, 85), "for validation"))
    assert [(one.kind, one.place) for one in found] == [("leak", "b")]
    assert "nearly that of w" in found[0].message
    assert not list(near_across(["a"], at(0), [], np.empty((0, 2), dtype=np.float32), "for validation"))


def entry(answer: str, *passages: str) -> Entry:
    return Entry("x:1", StyleExample("e", None, None, "When?", answer), passages)


@pytest.mark.parametrize(
    ("entry", "document", "section"),
    [
        (entry("The ward is open from ten [cite]."), "a.md", "Hours"),
        (entry("Parking costs two dollars."), "b.md", None),
        (entry("Come and see.", "Parking costs two dollars."), "b.md", None),
    ],
)
def test_an_answer_gets_the_document_that_holds_most_of_it(
    entry: Entry, document: str, section: str | None
) -> None:
    placed = place_in(entry, at(10)[0], POOL)
    assert isinstance(placed, Entry)
    assert (placed.example.document, placed.example.section) == (document, section)


def test_an_answer_that_no_document_holds_is_told() -> None:
    found = place_in(entry("Helicopters land on the roof."), at(10)[0], POOL)
    assert isinstance(found, Finding)
    assert found.kind == "no-document"
