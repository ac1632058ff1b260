from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from adapters.plot import HEIGHT, WIDTH, plot

Line = list[tuple[float, float]]

numbers = st.floats(-1e6, 1e6)
points = st.lists(st.tuples(st.floats(1, 1e6), numbers), min_size=2, max_size=9)


def places(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())]


@given(st.dictionaries(st.sampled_from(("training", "validation")), points, min_size=1))
def test_every_point_is_inside_and_a_higher_value_stands_higher(lines: dict[str, Line]) -> None:
    drawn = plot(lines)
    assert drawn is not None and drawn.lines.keys() == lines.keys()
    for name, line in lines.items():
        found = places(drawn.lines[name])
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in found)
        by_value = sorted(zip((y for _, y in line), (y for _, y in found), strict=True), key=lambda pair: pair[0])
        assert all(lower[1] >= higher[1] - 0.1 for lower, higher in pairwise(by_value))


def test_ticks_are_round_and_span_the_values() -> None:
    drawn = plot({"loss": [(5, 0.5), (20, 0.1)]})
    assert drawn is not None
    assert [tick.label for tick in drawn.across] == ["0", "5", "10", "15", "20"]
    assert [tick.label for tick in drawn.up] == ["0.1", "0.2", "0.3", "0.4", "0.5"]
    assert places(drawn.lines["loss"])[1][0] == WIDTH


def test_one_point_is_no_line() -> None:
    assert plot({"loss": [(5, 0.5)], "none": []}) is None
