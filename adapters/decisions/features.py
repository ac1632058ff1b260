"""What the classifier head sees of a case: marks (a field, a size, a word of the note) and the note's vector."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from adapters.decisions.records import Case
from ingest.documents import Vectors

Cuts: TypeAlias = Mapping[str, tuple[float, ...]]

# Numbers mean something else for every service, so their marks are made for each value of this field.
KIND = "service"
WORD = re.compile(r"[a-z0-9]+")
SAID = re.compile(r"(\d{1,4}) ([a-z]+)")
QUANTILES = np.linspace(0.05, 0.95, 12)
FEW = 8
SELDOM = 3
# The vector has length 1 over hundreds of places, a mark is 1 in its one place.
VECTOR_WEIGHT = 3.0


def numbers(case: Case) -> dict[str, int]:
    """The case's numbers by name, and those of its note by the word that follows them."""
    said = {f"note {word}": int(number) for number, word in SAID.findall(case.note.lower())}
    return {f"{case.fields.get(KIND, '')}|{name}": value for name, value in (dict(case.numbers) | said).items()}


def cuts_of(cases: Iterable[Case]) -> Cuts:
    """Where a number's marks begin: at the quantiles of what training has seen, if it has seen enough."""
    values = defaultdict(list)
    for case in cases:
        for name, value in numbers(case).items():
            values[name].append(value)
    return {
        name: tuple(sorted({float(cut) for cut in np.quantile(seen, QUANTILES).round()}))
        for name, seen in values.items()
        if len(seen) >= FEW
    }


def marks(case: Case, cuts: Cuts) -> set[str]:
    return {*field_marks(case), *number_marks(case, cuts), *word_marks(case)}


def field_marks(case: Case) -> Iterator[str]:
    yield from (f"{name}={value}" for name, value in case.fields.items())
    yield from (f"{name} is known" for name in case.numbers)


def number_marks(case: Case, cuts: Cuts) -> Iterator[str]:
    for name, value in numbers(case).items():
        yield name
        yield from (f"{name}>={cut:g}" for cut in cuts.get(name, ()) if value >= cut)


def word_marks(case: Case) -> Iterator[str]:
    """Its words and pairs of words."""
    words = WORD.findall(case.note.lower())
    yield from (f"word {word}" for word in words)
    yield from (f"word {one} {two}" for one, two in pairwise(words))


def vocabulary(cases: Sequence[Case], cuts: Cuts) -> tuple[str, ...]:
    """The marks that training has seen often enough to learn from."""
    counts: dict[str, int] = defaultdict(int)
    for case in cases:
        for mark in marks(case, cuts):
            counts[mark] += 1
    return tuple(sorted(mark for mark, count in counts.items() if count >= SELDOM))


def matrix(cases: Sequence[Case], notes: Vectors, known: Sequence[str], cuts: Cuts) -> Vectors:
    """A row a case: one where it has the mark, then the note's vector (n, d)."""
    place = {mark: column for column, mark in enumerate(known)}
    rows = np.zeros((len(cases), len(known)), dtype=np.float32)
    for row, case in zip(rows, cases, strict=True):
        row[[place[mark] for mark in marks(case, cuts) if mark in place]] = 1
    return np.hstack([rows, notes * VECTOR_WEIGHT], dtype=np.float32)
