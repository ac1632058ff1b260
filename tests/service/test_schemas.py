"""What may come in: text that people write, switches, and no guessing of types."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from service.schemas import ChatRequest, LayerSwitches, printable

ALLOWED_CONTROLS = "\t\n\r"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])))
def test_text_without_control_characters_is_kept_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("code", [*range(0x20), 0x7F, 0xD800, 0xDFFF])
def test_control_characters_and_halves_of_characters_are_refused(code: int) -> None:
    character = chr(code)
    assert unicodedata.category(character) in ("Cc", "Cs")
    if character in ALLOWED_CONTROLS:
        assert printable(f"a{character}b")
    else:
        with pytest.raises(ValueError, match=f"U\\+{code:04X} at 1"):
            printable(f"a{character}b")


@pytest.mark.parametrize(
    ("given", "meant"), [(True, "on"), (False, "off"), ("on", "on"), ("house@1", "house@1"), (None, None)]
)
def test_a_switch_is_a_word_in_the_end(given: object, meant: str | None) -> None:
    assert LayerSwitches.model_validate({"prompt": given}).prompt == meant


@pytest.mark.parametrize(
    "attributes",
    [
        {"ward": 4},
        {"ward": ["4 West"]},
        {"ward": ""},
        {"ward": "x" * 81},
        {"ward": "4\nWest"},
        {"4": "ward"},
        {"w" * 41: "x"},
        {f"a{number}": "x" for number in range(17)},
    ],
)
def test_attributes_are_a_few_short_words(attributes: dict[str, Any]) -> None:
    fitting = {"ward": "4 West", "language": "español", **{f"a{number}": "x" * 80 for number in range(14)}}
    assert ChatRequest(question="When?", attributes=fitting).attributes == fitting
    with pytest.raises(ValidationError):
        ChatRequest(question="When?", attributes=attributes)


@pytest.mark.parametrize("body", [{"stream": 1}, {"user": 5}, {"sampling": {"seed": "4"}}, {"question": b"?"}])
def test_types_are_not_guessed(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ChatRequest.model_validate({"question": "When?", **body})
