"""The words of a check: an example with its place in a file, and a finding about one."""

from collections.abc import Iterable
from dataclasses import dataclass

from adapters.examples import CITE, WORD, Pool, StyleExample

FEWEST_WORDS = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """An example of a file. `place` is file:line; `passages` are the right ones that the file itself gives."""

    place: str
    example: StyleExample
    passages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What the person reads: the answer without its marks."""
        return CITE.sub("", self.example.answer)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the example at `place`; report.py says which kinds stop a training."""

    kind: str
    place: str
    message: str


@dataclass(frozen=True, slots=True)
class Read:
    """A file's examples, and what could not be read of it."""

    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]

    @property
    def examples(self) -> list[StyleExample]:
        return [entry.example for entry in self.entries]


@dataclass(frozen=True, slots=True)
class Told:
    """Examples as they were read, with the pages that they are about."""

    read: Read
    pool: Pool


def refuses(answer: str, no_answer: str) -> bool:
    """Whether the answer begins as the refusal does, whatever its case and punctuation."""
    beginning = beginning_of(no_answer)
    return bool(beginning) and f"{wording(answer)} ".startswith(f"{beginning} ")


def beginning_of(no_answer: str) -> str:
    """The words of its first sentence; of several, where the first ones are as short as an abbreviation ("St.")."""
    sentences = no_answer.split(". ")
    beginnings = (wording(". ".join(sentences[:count])) for count in range(1, len(sentences) + 1))
    return next((one for one in beginnings if len(one.split()) >= FEWEST_WORDS), wording(no_answer))


def wording(text: str) -> str:
    """The text's words without case and punctuation."""
    return " ".join(WORD.findall(text.lower()))


def answers_of(entries: Iterable[Entry], no_answer: str) -> list[Entry]:
    """Those that are no refusals."""
    return [entry for entry in entries if not refuses(entry.example.answer, no_answer)]
