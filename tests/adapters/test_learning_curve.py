from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.card import CurvePoint
from adapters.examples import ExampleError
from adapters.learning_curve import (
    Curve,
    Measured,
    as_told,
    curve_file,
    finding,
    last_gain,
    newest_curve,
    read_curve,
    write_curve,
)


def measured(size: int, scores: Sequence[float]) -> Measured:
    point = CurvePoint(examples=size, rows=size, steps=size, loss=1, score=sum(scores) / len(scores), minutes=1)
    return Measured(point=point, examples={f"e{n}": (1.0, score) for n, score in enumerate(scores)})


def series(*means: float, spread: float = 0.01) -> list[Measured]:
    """Sizes 100, 200, 400 and so on; the examples differ by `spread` in what they gain."""
    noise = (-spread, 0, 0, spread)
    return [measured(100 * 2**n, [mean + n * one for one in noise]) for n, mean in enumerate(means)]


def test_the_gain_of_the_last_doubling_has_students_interval() -> None:
    gain = last_gain(series(0.70, 0.74, 0.78))
    assert gain
    assert (gain.before, gain.after, gain.over) == (200, 400, 4)
    assert gain.mean == pytest.approx(0.04)
    # The changes are 0.03, 0.04, 0.04, 0.05: a deviation of 0.00816, and 3.182 for three degrees of freedom.
    assert (gain.low, gain.high) == pytest.approx((0.04 - 0.01299, 0.05299), abs=1e-4)


def test_without_a_doubling_the_first_size_is_compared() -> None:
    gain = last_gain([measured(100, [0.5, 0.6]), measured(150, [0.6, 0.6])])
    assert gain
    assert (gain.before, gain.after) == (100, 150)


def test_a_straight_curve_says_how_many_more() -> None:
    told = finding(series(0.70, 0.72, 0.74, spread=0.001))
    # Two points a doubling: one point is 400 * (2 ** 0.5 - 1) = 166 more.
    assert told == (
        "More examples still help: from 200 to 400 examples the score changed by +2.0 points (+1.9 to +2.1, over 4 "
        "validation examples). About 170 more examples for the next point."
    )


@pytest.mark.parametrize(
    "means",
    [(0.70, 0.74), (0.50, 0.70, 0.72), (0.70, 0.703, 0.706)],
    ids=["two sizes", "it bends", "more than one doubling"],
)
def test_where_the_line_says_little_no_number_is_told(means: tuple[float, ...]) -> None:
    told = finding(series(*means, spread=0.0005))
    assert told.startswith("More examples still help")
    assert told.endswith("cannot be told from these sizes.")


def test_no_gain_and_a_loss_are_said_as_such() -> None:
    assert finding(series(0.70, 0.71, 0.71)).startswith("It cannot be told whether more examples still help")
    assert finding(series(0.70, 0.74, 0.60)).startswith("More examples made it worse")


def test_one_size_or_one_validation_example_is_no_curve() -> None:
    for few in ([], series(0.7), [measured(100, [0.5]), measured(200, [0.6])]):
        assert "cannot be told: that takes two sizes" in finding(few)


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=5))
def test_every_curve_has_one_sentence_about_its_last_doubling(scores: list[list[float]]) -> None:
    told = finding([measured(100 * 2**n, three) for n, three in enumerate(scores)])
    assert f"from {50 * 2 ** (len(scores) - 1)} to {100 * 2 ** (len(scores) - 1)} examples" in told


def test_points_are_kept_in_order_and_the_newest_curve_of_the_same_rows_is_found(tmp_path: Path) -> None:
    one, two = series(0.7, 0.8)
    curve = Curve(values={"lora": {"rank": 2}}).grown(two).grown(one)
    assert curve.sizes == [100, 200]
    for run in ("old", "new"):
        write_curve(curve.model_copy(update={"values": {"run": run}}), curve_file(tmp_path, "data", run))
    found = newest_curve(tmp_path, "data")
    assert found
    assert found.values == {"run": "new"}
    assert found.measured == curve.measured
    assert newest_curve(tmp_path, "other") is None
    assert read_curve(tmp_path / "none.json") is None


def test_a_file_that_is_no_curve_is_named(tmp_path: Path) -> None:
    path = curve_file(tmp_path, "data", "run")
    path.write_text("{")
    with pytest.raises(ExampleError, match=rf"{path.name} is no learning curve"):
        newest_curve(tmp_path, "data")


def test_a_card_gets_the_points_and_the_sentence_without_every_example() -> None:
    told = as_told(Curve(values={}, measured=tuple(series(0.7, 0.8))))
    assert [point.examples for point in told.points] == [100, 200]
    assert "e1" not in told.model_dump_json()
    assert told.finding.startswith("More examples still help")
