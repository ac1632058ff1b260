"""The hospital's questions: complete, and true to its documents."""

from contextlib import closing
from pathlib import Path

import pytest

from configs.load import HOSPITAL
from ingest.parse import Parser
from service.evaluation.questions import QuestionsError, read_questions
from service.evaluation.store import as_lines

PACK = HOSPITAL.parent
QUESTIONS = read_questions(PACK / "questions.jsonl")


def test_there_are_enough_of_each_kind() -> None:
    assert len(QUESTIONS) >= 150
    assert sum(not question.answerable for question in QUESTIONS) >= 30
    assert sum("follow-up" in question.tags for question in QUESTIONS) >= 20
    assert all(question.history for question in QUESTIONS if "follow-up" in question.tags)


def test_ids_and_questions_are_unique() -> None:
    assert len({question.id for question in QUESTIONS}) == len(QUESTIONS)
    assert len({(question.question, question.history) for question in QUESTIONS}) == len(QUESTIONS)


def test_every_fact_stands_in_the_named_section_of_its_document() -> None:
    with closing(Parser()) as parser:
        texts = {path.name: parser.parse(path.name, path.read_bytes()) for path in (PACK / "documents").iterdir()}
    for question in (question for question in QUESTIONS if question.answerable):
        sections = [section for name in question.documents for section in texts[name].sections]
        text = " ".join(section.text for section in sections if question.section in section.headings)
        missing = [fact for fact in question.facts if fact.lower() not in " ".join(text.lower().split())]
        assert not missing, f"{question.id}: {missing}"


def test_unanswerable_questions_name_nothing() -> None:
    for question in (question for question in QUESTIONS if not question.answerable):
        assert not (question.documents or question.section or question.answer or question.facts), question.id


def test_a_question_may_hold_what_ends_a_line_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    asked = QUESTIONS[0].model_copy(update={"question": "Where\u2028do I park?"})
    file.write_text(as_lines([asked]), encoding="utf-8")
    assert read_questions(file) == [asked]


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"id": "x"}\n')
    with pytest.raises(QuestionsError, match=r"questions\.jsonl, line 1"):
        read_questions(file)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"id": " "}, "id"),
        ({"question": ""}, "question"),
        ({"facts": ("8 p.m.", "A")}, "no answer could have the fact 'A'"),
        ({"facts": ("",)}, "no answer could have the fact ''"),
        ({"facts": (), "answer": "The."}, "every answer would count as right"),
    ],
)
def test_a_question_that_no_answer_could_be_judged_by_is_named(
    tmp_path: Path, change: dict[str, object], told: str
) -> None:
    file = tmp_path / "questions.jsonl"
    answerable = next(question for question in QUESTIONS if question.answerable and question.facts)
    file.write_text(as_lines([QUESTIONS[0], answerable.model_copy(update=change)]), encoding="utf-8")
    with pytest.raises(QuestionsError, match=r"questions\.jsonl, line 2: not a question") as caught:
        read_questions(file)
    assert told in str(caught.value)


def test_an_answer_alone_is_gold_enough_and_an_emergency_needs_none(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    answerable = next(question for question in QUESTIONS if question.answerable and question.facts)
    emergency = answerable.model_copy(update={"facts": (), "answer": "", "tags": ("emergency",)})
    kept = [answerable.model_copy(update={"facts": ()}), emergency]
    file.write_text(as_lines(kept), encoding="utf-8")
    assert read_questions(file) == kept


def test_the_mark_that_windows_puts_first_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + (PACK / "questions.jsonl").read_bytes())
    assert read_questions(path) == QUESTIONS
