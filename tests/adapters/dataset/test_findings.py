from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.dataset import findings as find
from adapters.dataset.entries import Entry, Finding
from adapters.examples import StyleExample
from ingest.documents import Passage

REFUSAL = "I can't find this. Please call us."
HOURS = Passage("c1", "a.md", "a.md", "Visits", ("Hours",), 0, "Open from 10 a.m. Call 555-0100 or ask on floor 2.")
COSTS = Passage("c2", "a.md", "a.md", "Visits", ("Costs",), 1, "A visit costs $5. You can pay at the desk.")
POOL = (HOURS, COSTS)
SOURCES = {passage.source for passage in POOL}


def entry(number: int = 1, tags: tuple[str, ...] = (), **changes: object) -> Entry:
    example = StyleExample(f"e{number}", "a.md", "Hours", f"When, {number}?", "You can come from 10 a.m. [cite].")
    return Entry(f"x:{number}", replace(example, **changes), tags=tags)  # type: ignore[arg-type]


def refusal(number: int) -> Entry:
    return entry(number, document=None, section=None, answer=REFUSAL)


def places(found: object) -> list[str]:
    return [finding.place for finding in found if isinstance(finding, Finding)]  # type: ignore[attr-defined]


def test_a_good_example_has_no_finding() -> None:
    good = [entry(1), refusal(2)]
    assert not [
        *find.empty(good),
        *find.shared_ids(good),
        *find.misplaced(good, SOURCES, frozenset(), REFUSAL),
        *find.unknown_sections(good, POOL),
        *find.duplicates(good),
        *find.personal(good, HOURS.text),
        *find.unsupported(good[:1], POOL),
        *find.style(good[:1]),
    ]


def test_empty_questions_and_answers_are_told() -> None:
    found = list(find.empty([entry(1, question=" "), entry(2, answer=" [cite]"), entry(3)]))
    assert places(found) == ["x:1", "x:2"]
    assert "answer" in found[1].message


def test_an_id_is_used_once() -> None:
    assert places(find.shared_ids([entry(1), entry(2), entry(3, id="e1")])) == ["x:3"]


def test_an_example_that_training_would_render_otherwise_is_told() -> None:
    wrong = [entry(1, document=None), entry(2, document="gone.md"), entry(3, answer=REFUSAL), refusal(4)]
    found = list(find.misplaced(wrong, SOURCES, frozenset(), REFUSAL))
    assert places(found) == ["x:1", "x:2", "x:3"]
    assert "gone.md is not among the documents" in found[1].message


def test_an_example_about_a_document_that_not_everybody_may_read_is_told() -> None:
    found = list(find.misplaced([entry(1), entry(2, document="staff.md")], SOURCES, {"staff.md"}, REFUSAL))
    assert [(one.kind, one.place) for one in found] == [("access", "x:2")]


def test_a_section_that_its_document_does_not_have_is_told_once_and_not_for_unknown_documents() -> None:
    wrong = [entry(1, section="Parking"), entry(2, section=None), entry(3, document="gone.md")]
    assert places(find.unknown_sections(wrong, POOL)) == ["x:1"]


@given(st.lists(st.sampled_from(["When?", "when", "WHERE?!", "where", "Why"]), max_size=10))
def test_each_later_copy_is_a_duplicate(questions: list[str]) -> None:
    entries = [entry(number, question=text) for number, text in enumerate(questions)]
    bare = [text.lower().strip("?!") for text in questions]
    assert places(find.duplicates(entries)) == [f"x:{n}" for n, text in enumerate(bare) if text in bare[:n]]


def test_personal_data_is_told_by_its_kind_unless_a_document_holds_it() -> None:
    entries = [entry(1, answer="Call 555-0100."), entry(2, question="I am ann@willow.example, MRN 123456. When?")]
    (found,) = find.personal(entries, HOURS.text)
    assert found.place == "x:2"
    assert "email, mrn" in found.message
    assert "ann" not in found.message


def test_a_fact_from_elsewhere_or_from_nowhere_is_told() -> None:
    (found,) = find.unsupported([entry(1, answer="You pay $5 or $7 from 10 a.m. [cite].")], POOL)
    assert "$5 (elsewhere in the document), $7 (nowhere in the document)" in found.message


def test_what_the_question_says_may_be_said_again() -> None:
    asked = entry(1, question="I am 13, may I come?", answer="Yes, at 13 you can come from 10 a.m. [cite].")
    assert not list(find.unsupported([asked], POOL))


def test_passages_of_the_file_itself_come_first() -> None:
    own = replace(entry(1, document=None, answer="You pay $7."), passages=("It costs $7.",))
    assert not list(find.unsupported([own], ()))
    assert list(find.unsupported([replace(own, passages=("It costs $8.",))], ()))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("You can come [cite]. " + "word " * 90, "long-answer"),
        ("You can come.", "no-citation"),
        ("Come from ten [cite].", "not-you"),
        ("Your ward opens at ten [cite].", "no-next-step"),
    ],
)
def test_an_outlier_of_style_is_told(answer: str, kind: str) -> None:
    assert [finding.kind for finding in find.style([entry(answer=answer)])] == [kind]


@pytest.mark.parametrize(("refusals", "told"), [(0, True), (1, True), (5, False), (25, False), (26, True)])
def test_too_few_and_too_many_refusals_are_told(refusals: int, told: bool) -> None:
    entries = [*map(refusal, range(refusals)), *map(entry, range(refusals, 100))]
    assert bool(list(find.balance(entries, entries[refusals:]))) is told


def test_a_decision_that_hardly_occurs_is_told() -> None:
    tags = [("decision:yes",)] * 19 + [("decision: no", "short")]
    entries = [entry(number, tag) for number, tag in enumerate(tags)]
    assert find.decisions(entries) == {"yes": 19, "no": 1}
    assert any("'no'" in finding.message for finding in find.balance(entries, entries))
    assert not [one for one in find.balance(entries[:19], entries[:19]) if "decisions" in one.message]
