"""Two answers, sentence by sentence: what both say, what only the first and only the second says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from service.evaluation.metrics.sentences import CLOCK, END, TITLE

# Stands for a point that ends no sentence; no answer has it.
POINT = "\0"


@dataclass(frozen=True, slots=True)
class Sentence:
    """`said` is whether both answers have it, or only the one of then or of now."""

    said: Literal["same", "then", "now"]
    text: str


def compared(then: str, now: str) -> Iterator[Sentence]:
    """The sentences of both in their order; those of then stand before those that replace them."""
    first, second = split(then), split(now)
    for _, start, end, new_start, new_end in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        if first[start:end] == second[new_start:new_end]:
            yield from (Sentence("same", text) for text in first[start:end])
            continue
        yield from (Sentence("then", text) for text in first[start:end])
        yield from (Sentence("now", text) for text in second[new_start:new_end])


def split(text: str) -> list[str]:
    """Sentences and lines exactly as they were written, without the space around them."""
    masked = TITLE.sub(without_points, CLOCK.sub(without_points, text))
    parts = (part.replace(POINT, ".").strip() for part in END.sub(r"\1\n", masked).splitlines())
    return [part for part in parts if part]


def without_points(found: re.Match[str]) -> str:
    return found[0].replace(".", POINT)
