"""Which of a file's questions an evaluation asks, and in which order."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from adapters.recipe import RecipeError, read_recipe
from configs.section import twice
from service.evaluation.design import Design, DesignError
from service.evaluation.questions import PackQuestion, QuestionsError, read_questions


def selected(design: Design) -> list[PackQuestion]:
    """The design's questions, in an order drawn by its seed: the first n are a fair sample of all.

    Raises DesignError.
    """
    wanted = design.questions
    try:
        questions = read_questions(wanted.file)
        held_back = set(read_recipe(wanted.held_back_by).data.held_back) if wanted.held_back_by else None
    except (OSError, UnicodeDecodeError, QuestionsError, RecipeError) as error:
        raise DesignError(f"The questions of {design.name!r} cannot be read: {error}") from error
    check_ids(questions, wanted.file)
    found = [question for question in questions if fits(question, wanted.tags, held_back)]
    if not found:
        raise DesignError(f"No question in {wanted.file} fits tags and held_back_by; loosen one of them.")
    return sorted(found, key=lambda question: drawn(design.seed, question.id))


def check_ids(questions: Iterable[PackQuestion], file: Path) -> None:
    if ids := twice([question.id for question in questions]):
        raise DesignError(f"{file} has more than one question {', '.join(ids)}; give each an id of its own.")


def fits(question: PackQuestion, tags: tuple[str, ...], held_back: set[str] | None) -> bool:
    tagged = not tags or not set(tags).isdisjoint(question.tags)
    unseen = held_back is None or not question.answerable or not held_back.isdisjoint(question.documents)
    return tagged and unseen


def drawn(seed: int, name: str) -> str:
    """Where the seed puts the one of this name, whatever others there are: to sort by."""
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
