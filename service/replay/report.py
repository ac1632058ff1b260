"""What a replay found: both answers, what was switched, what differs, and all that in one sentence."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from service.plan import Factor
from service.replay.differences import Difference, Told
from service.replay.sentences import Sentence


@dataclass(frozen=True, slots=True)
class Replay:
    """`switched` maps a layer to what stood in it and what does now, where that was changed by the replay."""

    message: str
    question: str
    then: Told
    now: Told
    switched: Mapping[Factor, tuple[str | None, str | None]]
    differences: tuple[Difference, ...]
    sentences: tuple[Sentence, ...]

    @property
    def equal(self) -> bool:
        """The same text to the letter."""
        return self.then.text == self.now.text

    @property
    def sentence(self) -> str:
        """Whether the answer is the same, and where it is not, what that can come from."""
        if self.equal:
            return f"The answer is the same to the letter{self.despite()}."
        if self.switched:
            also = ", and part of that may come from what else differs from then" if self.differences else ""
            return f"The answer is another with {self.switches()}{also}."
        if self.differences:
            return "The answer is another, and so is what it was made from."
        return f"The answer is another, though nothing that is recorded differs; {self.chance()}."

    def despite(self) -> str:
        others = [self.switches()] if self.switched else []
        if self.differences:
            others.append("what else differs from then" if self.switched else "what differs from then")
        return f", even with {' and '.join(others)}" if others else ""

    def switches(self) -> str:
        return ", ".join(f"{layer} {now or 'off'}" for layer, (_, now) in self.switched.items())

    def chance(self) -> str:
        """What makes answers differ that were made from the same."""
        temperature = self.then.manifest["temperature"]
        if temperature > 0:
            return f"it was drawn at temperature {temperature:g}, and no engine promises the same draw for a seed"
        return "the original may have been made in a batch with others, which can change the last bits"

    def as_dict(self) -> dict[str, Any]:
        return {
            "message": self.message,
            "question": self.question,
            "equal": self.equal,
            "sentence": self.sentence,
            "then": {"answer": self.then.text, "manifest": dict(self.then.manifest)},
            "now": {"answer": self.now.text, "manifest": dict(self.now.manifest)},
            "switched": {layer: {"then": then, "now": now} for layer, (then, now) in self.switched.items()},
            "differences": [asdict(one) for one in self.differences],
            "sentences": [asdict(one) for one in self.sentences],
        }
