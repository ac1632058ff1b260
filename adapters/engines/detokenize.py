"""Tokens to text as they come."""

from collections.abc import Sequence
from typing import Any, Protocol

# What a tokenizer gives for the bytes of a character that is not whole yet.
HALF = "\N{REPLACEMENT CHARACTER}"


class Decoder(Protocol):
    """What the tokenizers of transformers and of OpenVINO share."""

    def decode(self, ids: list[int], *, skip_special_tokens: bool) -> Any: ...


class Detokenized:
    """Text of tokens as they come, up to a stop text.

    A character that is not whole yet waits, and so does what may turn out to be the beginning of a stop text.
    """

    def __init__(self, tokenizer: Decoder, stops: Sequence[str]) -> None:
        self.tokenizer = tokenizer
        self.stops = stops
        self.ids: list[int] = []
        self.text = ""
        self.given = 0
        self.stopped = False

    def add(self, token: int) -> str:
        self.ids.append(token)
        self.text = str(self.tokenizer.decode(self.ids, skip_special_tokens=True))
        ends = [end for stop in self.stops if (end := self.text.find(stop)) >= 0]
        self.stopped = bool(ends)
        return self.up_to(min(ends) if ends else len(self.text) - self.open_characters())

    def rest(self) -> str:
        """What still waited when the answer ended."""
        return "" if self.stopped else self.up_to(len(self.text.rstrip(HALF)))

    def up_to(self, end: int) -> str:
        piece = self.text[self.given : end]
        self.given = max(self.given, end)
        return piece

    def open_characters(self) -> int:
        whole = self.text.rstrip(HALF)
        beginnings = (stop[:n] for stop in self.stops for n in range(1, len(stop)))
        beginning = max((len(one) for one in beginnings if whole.endswith(one)), default=0)
        return len(self.text) - len(whole) + beginning
