import json

import pytest

from service.plan import Factor
from service.replay.differences import Difference, Told
from service.replay.report import Replay
from service.replay.sentences import compared

GONE = Difference("passages", "The passage visiting.md > Hours that was shown as 1 is gone.")


def replay(
    then: str, now: str, *found: Difference, switched: Factor | None = None, temperature: float = 0
) -> Replay:
    manifest = {"path": "model", "temperature": temperature}
    switches: dict[Factor, tuple[str | None, str | None]] = {switched: ("style@2", None)} if switched else {}
    told = (Told(then, manifest), Told(now, manifest))
    return Replay("m1", "When?", *told, switches, found, tuple(compared(then, now)))


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (replay("Yes.", "Yes."), "The answer is the same to the letter."),
        (replay("Yes.", "Yes.", GONE), "The answer is the same to the letter, even with what differs from then."),
        (
            replay("Yes.", "Yes.", GONE, switched="adapter"),
            "The answer is the same to the letter, even with adapter off and what else differs from then.",
        ),
        (replay("Yes.", "No.", switched="adapter"), "The answer is another with adapter off."),
        (
            replay("Yes.", "No.", GONE, switched="adapter"),
            "The answer is another with adapter off, and part of that may come from what else differs from then.",
        ),
        (replay("Yes.", "No.", GONE), "The answer is another, and so is what it was made from."),
        (
            replay("Yes.", "No."),
            "The answer is another, though nothing that is recorded differs; the original may have been made in a "
            "batch with others, which can change the last bits.",
        ),
        (
            replay("Yes.", "No.", temperature=0.7),
            "The answer is another, though nothing that is recorded differs; it was drawn at temperature 0.7, and "
            "no engine promises the same draw for a seed.",
        ),
    ],
)
def test_one_sentence_tells_whether_it_is_the_same_and_why_not(found: Replay, sentence: str) -> None:
    assert found.sentence == sentence


def test_it_is_json() -> None:
    values = json.loads(json.dumps(replay("Yes. Come.", "Never. Come.", GONE, switched="adapter").as_dict()))
    assert values["then"]["answer"] == "Yes. Come."
    assert values["now"]["manifest"]["path"] == "model"
    assert values["switched"] == {"adapter": {"then": "style@2", "now": None}}
    assert values["differences"] == [{"part": "passages", "sentence": GONE.sentence}]
    assert values["sentences"] == [
        {"said": "then", "text": "Yes."},
        {"said": "now", "text": "Never."},
        {"said": "same", "text": "Come."},
    ]
    assert values["equal"] is False
