"""The questions of a pack, with their gold documents and answers."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError


class QuestionsError(ValueError):
    """A question file that cannot be used; the message names file and line."""


class EarlierTurn(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    answer: str


class PackQuestion(BaseModel):
    """`documents` hold the answer, under the heading `section`; none do for an unanswerable question.

    `answer` is one sentence; `facts` are short strings that every right answer contains.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    question: str
    documents: tuple[str, ...]
    section: str | None
    answer: str
    facts: tuple[str, ...]
    answerable: bool
    tags: tuple[str, ...]
    history: tuple[EarlierTurn, ...] = ()


def read_questions(path: Path) -> list[PackQuestion]:
    """Raises QuestionsError at the first line that is not a question."""
    questions = []
    # As bytes: the lines of text also end at U+2028, which JSON may hold as it is.
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            questions.append(PackQuestion.model_validate_json(line))
        except ValidationError as error:
            raise QuestionsError(f"{path}, line {number}: not a question: {error}") from error
    return questions
