from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.effects import Effect
from service.evaluation.forest import WIDTH, forest
from service.evaluation.paired import Interval

SHARES = st.floats(-1, 1, allow_nan=False)


def effect(low: float, mean: float, high: float) -> Effect:
    return Effect("main", "prompt", mean, Interval(low, high), None, None, None, None, 10, 10)


@given(st.lists(st.tuples(SHARES, SHARES, SHARES).map(sorted), min_size=1, max_size=8), st.floats(0.01, 0.5))
def test_everything_stays_on_the_line_and_in_order(rows: list[list[float]], useful: float) -> None:
    drawn = forest([("prompt", effect(*row)) for row in rows], useful)
    for mark in drawn.marks:
        assert 0 <= mark.low <= mark.at <= mark.high <= WIDTH
    assert drawn.useful is not None and 0 <= drawn.zero < drawn.useful <= WIDTH
    places = [tick.at for tick in drawn.ticks]
    assert (places[0], places[-1]) == (0, WIDTH)
    assert len(places) <= 12


def test_a_place_is_where_its_points_are() -> None:
    drawn = forest([("prompt", effect(-0.1, 0.05, 0.2))], None)
    at = {tick.points: tick.at for tick in drawn.ticks}
    assert (drawn.marks[0].low, drawn.marks[0].at, drawn.marks[0].high) == (at[-10], at[5], at[20])
    assert drawn.zero == at[0]
    assert drawn.useful is None


def test_without_an_interval_nothing_is_drawn() -> None:
    bare = Effect("main", "prompt", 0.1, None, None, None, None, None, 1, 1)
    assert forest([("prompt", bare)], 0.05).marks == ()
