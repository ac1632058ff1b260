"""A filter over the streaming answer: only citations of passages that were shown reach the reader."""

import re
from dataclasses import dataclass

# A citation in any usual form, or an opening that another bracket or the end of the text breaks off.
CITATION = re.compile(r"([ \t]*)\[([0-9\s,;–-]*)(\]|(?=\[)|\Z)")
OPEN = re.compile(r"\s*(?:\[[0-9\s,;–-]*)*\Z")
NUMBERS = re.compile(r"([0-9]+)(?:\s*[–-]\s*([0-9]+))?")
LONGEST_RANGE = 20


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Text that may be shown, and the numbers cited in it for the first time."""

    text: str
    new: tuple[int, ...] = ()


class CitationFilter:
    """Feed it the model's text in pieces of any size; what may still become a citation waits for the next piece.

    `[1]`, `[ 1 ]`, `[1, 2]`, `[1-2]` and `[1][2]` come out as `[1][2]`; numbers that point to none of the
    `passages` are taken out together with the space before them.
    """

    def __init__(self, passages: int) -> None:
        self.passages = passages
        self.waiting = ""
        self.cited: list[int] = []
        self.started = False

    def feed(self, text: str) -> Cleaned:
        self.waiting += text
        ready = self.waiting[: self.first_open()]
        cleaned = self.cleaned(ready)
        shown = cleaned.text.rstrip()
        self.waiting = cleaned.text[len(shown) :] + self.waiting[len(ready) :]
        return Cleaned(shown, cleaned.new)

    def finish(self) -> Cleaned:
        """What waited to the end: an unfinished citation is dropped, and so are spaces at the end."""
        last = self.cleaned(self.waiting)
        self.waiting = ""
        return Cleaned(last.text.rstrip(), last.new)

    def first_open(self) -> int:
        found = OPEN.search(self.waiting)
        return found.start() if found else len(self.waiting)

    def cleaned(self, text: str) -> Cleaned:
        known = len(self.cited)
        shown = CITATION.sub(self.valid, text)
        shown = shown if self.started else shown.lstrip()
        self.started = self.started or bool(shown)
        return Cleaned(shown, tuple(self.cited[known:]))

    def valid(self, match: re.Match[str]) -> str:
        space, inside, end = match.groups()
        if end and not inside.strip():
            return match[0]
        numbers = [number for number in listed(inside) if 1 <= number <= self.passages] if end else []
        self.cited += [number for number in dict.fromkeys(numbers) if number not in self.cited]
        return space + "".join(f"[{number}]" for number in numbers) if numbers else ""


def listed(inside: str) -> list[int]:
    """The numbers between the brackets, each once; `2-4` means 2, 3 and 4."""
    numbers: list[int] = []
    for first, last in NUMBERS.findall(inside):
        start, end = int(first[:9]), int((last or first)[:9])
        numbers += range(start, end + 1) if 0 <= end - start <= LONGEST_RANGE else [start, end]
    return list(dict.fromkeys(numbers))


class Verbatim:
    """In a citation filter's place where brackets are no citations, as in JSON."""

    def feed(self, text: str) -> Cleaned:
        return Cleaned(text)

    def finish(self) -> Cleaned:
        return Cleaned("")
