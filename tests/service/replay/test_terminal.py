from typing import Any

from rich.console import Console

from service.replay.differences import Difference, Told
from service.replay.report import Replay
from service.replay.sentences import compared
from service.replay.terminal import as_terminal

ACTED = {"prompt": "house@1", "retrieval": None, "adapter": "style@2"}


def printed(then: str, now: str, *found: Difference, path: str = "model") -> str:
    manifest: dict[str, Any] = {"path": path, "temperature": 0, "acted": ACTED, "engine": "openvino"}
    told = (Told(then, manifest), Told(now, manifest))
    replay = Replay("m1", "When [today]?", *told, {}, found, tuple(compared(then, now)))
    console = Console(width=100, record=True, force_terminal=False)
    with console.capture() as captured:
        console.print(as_terminal(replay))
    return captured.get()


def test_both_answers_stand_side_by_side_below_the_sentence() -> None:
    text = printed("Come at noon [1]. Ring. Bye.", "Come at two [2]. Bye.", Difference("base", "Another [base]."))
    lines = text.splitlines()
    assert lines[0].startswith("The answer is another")
    assert "* Another [base]." in text and "When [today]?" in text
    assert [line for line in lines if "Come at noon [1]." in line and "Come at two [2]." in line]
    [ring] = [line for line in lines if "Ring." in line]
    assert ring.replace("│", "").split() == ["Ring."]
    [bye] = [line for line in lines if "Bye." in line]
    assert bye.count("Bye.") == 2
    assert "adapter style@2" in text and "retrieval off" in text and "openvino" in text


def test_fixed_texts_are_told_as_that() -> None:
    assert "emergency hand-off, no layer ran" in printed("Call.", "Call.", path="emergency")
    assert "fixed text, no model ran" in printed("Nothing.", "Nothing.", path="no_sources")
