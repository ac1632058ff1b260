import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.card import Trial
from adapters.halving import affordable, best, better_half, longest, rounds

Scores = st.lists(st.none() | st.floats(0, 10), min_size=1, max_size=20)


@given(
    steps=st.lists(st.floats(1, 1e4), min_size=2, max_size=40),
    minutes=st.floats(0.01, 1e4),
    pace=st.floats(1e-4, 10),
    dropped=st.data(),
)
def test_all_rounds_together_stay_within_the_minutes_and_each_trains_for_longer(
    steps: list[float], minutes: float, pace: float, dropped: st.DataObject
) -> None:
    left, before = minutes, 0.0
    while len(steps) > 1:
        share = affordable(steps, left, pace)
        assert before < share <= 0.5
        left, before = left - share * sum(steps) * pace, share
        steps = dropped.draw(st.permutations(steps))[: math.ceil(len(steps) / 2)]
    assert left > -1e-6 * minutes


@pytest.mark.parametrize(("alive", "to_come"), [(2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4)])
def test_with_time_enough_the_last_one_doubles_to_a_whole_training(alive: int, to_come: int) -> None:
    assert rounds(alive) == to_come
    assert affordable([1.0] * alive, 1e9, 1.0) == longest(alive) == 2**-to_come


@given(Scores)
def test_the_better_half_stays(scores: list[float | None]) -> None:
    places = better_half(scores)
    kept = [score for place in places if (score := scores[place]) is not None]
    lost = [score for place, score in enumerate(scores) if score is not None and place not in places]
    assert len(kept) == len(places) == min(len(kept) + len(lost), math.ceil(len(scores) / 2))
    assert kept == sorted(kept)
    assert not (kept and lost) or max(kept) <= min(lost)


def trial(share: float, score: float | None) -> Trial:
    return Trial(rank=2, learning_rate=0.1, epochs=1, share=share, steps=1, score=score, minutes=1)


def test_the_best_is_of_those_trained_farthest() -> None:
    short, long, longer, diverged = trial(0.1, 0.2), trial(0.5, 0.9), trial(0.5, 0.8), trial(0.5, None)
    assert best([short, long, longer, diverged]) == longer
    assert best([short, diverged]) == short
    assert best([diverged]) is None
