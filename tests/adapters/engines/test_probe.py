from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.outputs import ChatGenerationChunk

from adapters.engines import probe, wire
from adapters.engines.protocol import AdapterRefused, EngineError

tops = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-30, 0), min_size=1)


async def answer(*chunks: ChatGenerationChunk) -> AsyncIterator[ChatGenerationChunk]:
    for chunk in chunks:
        yield chunk


async def test_the_first_token_is_read_and_no_later_one() -> None:
    logprobs = [{"token": "Yes", "logprob": -0.1, "top": [["Yes", -0.1], ["No", -2.0]]}]
    later = [{"token": "!", "logprob": -0.2, "top": [["!", -0.2]]}]
    chunks = answer(wire.text_chunk(""), wire.text_chunk("Yes", logprobs), wire.text_chunk("!", later))
    assert await probe.first_token(chunks) == {"Yes": -0.1, "No": -2.0}


async def test_an_engine_without_log_probabilities_cannot_be_probed() -> None:
    with pytest.raises(EngineError, match="no log probabilities"):
        await probe.first_token(answer(wire.text_chunk("Yes")))


@given(tops, tops)
def test_the_distance_is_symmetric_and_zero_to_itself(one: probe.Top, other: probe.Top) -> None:
    assert probe.distance(one, one) == 0
    assert probe.distance(one, other) == probe.distance(other, one) >= 0


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(st.floats(-30, 0), st.floats(-30, 0)), min_size=2))
def test_seeing_only_the_likeliest_never_overstates_the_distance(logprobs: dict[str, tuple[float, float]]) -> None:
    one, other = ({token: pair[side] for token, pair in logprobs.items()} for side in (0, 1))
    exact = probe.distance(one, other)
    assert probe.distance(likeliest(one), likeliest(other)) <= exact


def likeliest(top: probe.Top) -> probe.Top:
    return dict(sorted(top.items(), key=lambda pair: -pair[1])[:2])


@pytest.mark.parametrize("moved", [0.0, 0.05, float("nan")])
def test_an_adapter_that_moves_nothing_is_refused(moved: float) -> None:
    with pytest.raises(AdapterRefused, match=r"style@1 does not act.*expected at least 0\.1"):
        probe.check_acts("style@1", {"a": -1.0, "b": -2.0}, {"a": -1.0 - moved, "b": -2.0})


def test_an_adapter_that_moves_the_first_token_is_taken() -> None:
    probe.check_acts("style@1", {"a": -1.0, "b": -2.0}, {"a": -1.2, "b": -2.0})


def test_what_the_card_keeps_has_to_be_met_by_what_the_engine_lists() -> None:
    kept = {"I": -0.1, "You": -3.0}
    probe.check_met("style@1", kept, {"I": -0.15})
    probe.check_met("style@1", kept, {"I": -0.15, "You": -2.6, "We": -4.0})
    probe.check_met("style@1", {}, {"anything": -0.1})
    with pytest.raises(
        AdapterRefused, match=r"style@1 acts otherwise .*'I' has a probability of 0.74, in its card 0.90"
    ):
        probe.check_met("style@1", kept, {"I": -0.3, "You": -3.0})
    with pytest.raises(AdapterRefused, match=r"'We' has a probability of 0.37, in its card 0.00"):
        probe.check_met("style@1", kept, {"We": -1.0})


@given(tops)
def test_what_was_kept_is_met_by_itself(top: probe.Top) -> None:
    probe.check_met("style@1", top, top)
