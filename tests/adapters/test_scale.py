import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.scale import MOST_STEPS, scale_over, step_for

VALUES = st.lists(st.floats(-1000, 1000).filter(lambda value: value == 0 or abs(value) > 1e-6), max_size=6)


@given(VALUES)
def test_all_values_and_zero_are_between_the_first_tick_and_the_last(values: list[float]) -> None:
    scale = scale_over(values)
    for value in [0.0, *values]:
        assert 0 <= scale.place(value, 300) <= 300
    ticks = scale.ticks()
    assert [scale.place(ticks[0], 300), scale.place(ticks[-1], 300)] == [0, 300]
    assert 2 <= len(ticks) <= MOST_STEPS + 3


@pytest.mark.parametrize(("reach", "step"), [(0.6, 0.1), (0.61, 0.2), (28, 5), (1.7, 0.5), (6, 1), (0, 1)])
def test_a_step_is_round(reach: float, step: float) -> None:
    assert step_for(reach) == pytest.approx(step)


def test_ticks_have_no_dust() -> None:
    assert scale_over([-0.1, 0.5]).ticks() == [-0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert scale_over([28.0]).ticks() == [0, 5, 10, 15, 20, 25, 30]
