from hypothesis import given
from hypothesis import strategies as st

from service.experiments import sequential
from service.experiments.course import Look
from service.experiments.plots import HEIGHT, WIDTH, Row, band, forest

RATINGS = st.floats(-2, 2).map(lambda value: round(value, 3))
ROWS = st.tuples(RATINGS, RATINGS, RATINGS).map(sorted)


def look(day: int, low: float, value: float, high: float) -> Look:
    return Look(day, 100 * day, value, sequential.TestedInterval(low, high, 0.5))


@given(st.lists(ROWS, min_size=1, max_size=6), st.floats(0.01, 1))
def test_a_forest_stays_on_its_line_and_in_order(rows: list[list[float]], limit: float) -> None:
    drawn = forest([Row("new", "any", *row) for row in rows], limit)
    for mark in drawn.marks:
        assert 0 <= mark.low <= mark.value <= mark.high <= WIDTH
    assert 0 <= drawn.zero < drawn.limit <= WIDTH


def test_a_place_is_where_its_tick_is() -> None:
    drawn = forest([Row("new", "any", -0.1, 0.1, 0.2)], 0.3)
    at = {tick.label: tick.at for tick in drawn.ticks}
    assert (drawn.marks[0].low, drawn.marks[0].value, drawn.marks[0].high) == (at["-0.1"], at["+0.1"], at["+0.2"])
    assert (drawn.zero, drawn.limit) == (at["0"], at["+0.3"])


@given(st.lists(ROWS, min_size=1, max_size=30))
def test_a_band_stays_in_its_frame(rows: list[list[float]]) -> None:
    drawn = band([look(day, *row) for day, row in enumerate(rows, 1)], 0.1)
    assert drawn is not None
    for text in (drawn.area, drawn.line):
        for point in text.split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= WIDTH and 0 <= y <= HEIGHT
    assert len(drawn.area.split()) == 2 * len(rows) == 2 * len(drawn.line.split())
    low, value, high = drawn.last
    assert high[1] <= value[1] <= low[1], "upwards is less in an SVG"


def test_looks_without_an_interval_are_not_drawn() -> None:
    early = Look(1, 10, 0.4, None)
    assert band([early], 0.1) is None
    assert band([], 0.1) is None
    drawn = band([early, look(2, -0.1, 0.1, 0.3), look(3, 0.0, 0.1, 0.2)], 0.1)
    assert drawn is not None and len(drawn.line.split()) == 2
    assert [tick.label for tick in drawn.days] == ["0", "1", "2", "3"]
