"""Training groups: a question, the passage that answers it, and near ones that do not."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapters.asked import Asked
from adapters.examples import Row
from adapters.ranking import ask
from adapters.recipe import Groups


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one question; where it is `answered`, the first is the one that is. In training they compete."""

    rows: tuple[Row, ...]

    @property
    def answered(self) -> bool:
        return self.rows[0].completion == ask.YES


def groups_of(asked: Sequence[Asked], values: Groups, seed: int) -> Iterator[Group]:
    """A group for each question that has any passage left to be compared."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    for number, one in enumerate(asked):
        near = one.others[: values.nearest]
        others = chance.sample(near, min(values.others, len(near)))
        shown = one.answering is not None and chance.random() >= values.withheld
        rows = [row(number, one.question, one.answering, ask.YES)] if shown and one.answering else []
        if rows := [*rows, *(row(number, one.question, other, ask.NO) for other in others)]:
            yield Group(tuple(rows))


def row(number: int, question: str, passage: str, told: str) -> Row:
    return Row(str(number), ask.messages(passage, question), told)


def rows_of(groups: Sequence[Group]) -> list[Row]:
    return [row for group in groups for row in group.rows]
