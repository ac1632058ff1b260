from hypothesis import given
from hypothesis import strategies as st

from adapters.engines.detokenize import Detokenized
from tests.adapters.conftest import byte_tokenizer

TOKENIZER = byte_tokenizer()


@given(st.text("ab\u20acz ", max_size=20), st.lists(st.text("ab\u20ac", min_size=1, max_size=3), max_size=3))
def test_pieces_make_the_text_up_to_the_first_stop(text: str, stops: list[str]) -> None:
    whole = Detokenized(TOKENIZER, stops)
    pieces = []
    for token in TOKENIZER.encode(text, add_special_tokens=False):
        pieces.append(whole.add(token))
        if whole.stopped:
            break
    joined = "".join([*pieces, whole.rest()])
    prefixes = (text[:end] for end in range(len(text) + 1))
    ended = next((prefix for prefix in prefixes if any(stop in prefix for stop in stops)), None)
    if ended is None:
        assert joined == text
    else:
        assert joined == ended[: min(ended.find(stop) for stop in stops if stop in ended)]
    assert whole.stopped == (ended is not None)


def test_half_a_character_waits_for_its_other_half() -> None:
    text = Detokenized(TOKENIZER, ())
    assert [text.add(token) for token in TOKENIZER.encode("a\u20acb", add_special_tokens=False)] == [
        "a",
        "",
        "",
        "\u20ac",
        "b",
    ]


def test_what_may_become_a_stop_text_waits_and_is_given_when_it_does_not() -> None:
    text = Detokenized(TOKENIZER, ("END",))
    pieces = [text.add(token) for token in TOKENIZER.encode("xENs EN", add_special_tokens=False)]
    assert pieces == ["x", "", "", "ENs", " ", "", ""]
    assert text.rest() == "EN"


def test_half_a_character_at_the_end_is_left_out() -> None:
    text = Detokenized(TOKENIZER, ())
    first, *_ = TOKENIZER.encode("\u20ac", add_special_tokens=False)
    assert (text.add(first), text.rest()) == ("", "")
