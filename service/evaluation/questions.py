"""The questions of a pack, with their gold documents and answers."""

from codecs import BOM_UTF8
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, ValidationInfo, model_validator

from service.evaluation.metrics.text import tokens

EMERGENCY = "emergency"
KEPT = "kept"
Told = Annotated[str, StringConstraints(pattern=r"\S")]


class QuestionsError(ValueError):
    """A question file that cannot be used; the message names file and line."""


class EarlierTurn(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    answer: str


class PackQuestion(BaseModel):
    """`documents` hold the answer, under the heading `section`; none do for an unanswerable question.

    `answer` is one sentence; `facts` are short strings that every right answer contains. They are compared by
    their words, without articles and punctuation, so some have to be left.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Told
    question: Told
    documents: tuple[str, ...]
    section: str | None
    answer: str
    facts: tuple[str, ...]
    answerable: bool
    tags: tuple[str, ...]
    history: tuple[EarlierTurn, ...] = ()

    @property
    def fault(self) -> str | None:
        """Why no answer can be right, or none wrong."""
        if lost := [fact for fact in self.facts if not tokens(fact)]:
            return (
                f"no answer could have the fact {lost[0]!r}: articles and punctuation are not compared, so "
                "expected a fact with another word or a number in it"
            )
        gold = self.facts or tokens(self.answer)
        if self.answerable and EMERGENCY not in self.tags and not gold:
            return "every answer would count as right: an answerable question needs facts or an answer"
        return None

    @model_validator(mode="after")
    def an_answer_can_be_right_or_wrong(self, info: ValidationInfo) -> "PackQuestion":
        if self.fault and info.context != KEPT:
            raise ValueError(self.fault)
        return self


def read_questions(path: Path, kept: bool = False) -> list[PackQuestion]:
    """Raises QuestionsError at the first line that is not a question. Those `kept` with a run were asked already,
    some of them before questions without right and wrong were refused.
    """
    questions = []
    # As bytes: the lines of text also end at U+2028, which JSON may hold as it is. Without the mark that Windows
    # puts first.
    content = path.read_bytes().removeprefix(BOM_UTF8)
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            questions.append(PackQuestion.model_validate_json(line, context=KEPT if kept else None))
        except ValidationError as error:
            raise QuestionsError(f"{path}, line {number}: not a question: {error}") from error
    return questions
