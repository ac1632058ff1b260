"""Hand-worked: 1,000 ms an answer, half of them right, is 2,000 ms a right answer."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.break_even import MINUTE, BreakEven, Spent, break_even, break_evens, spent
from service.evaluation.combinations import Combination, Mean
from service.evaluation.design import Cell, Cost, Factors
from service.evaluation.setup import AdapterSetup, Setup
from service.evaluation.wording import break_even as in_a_sentence

NONE = Cell(prompt="off", retrieval="off", adapter="off")
RETRIEVAL = Cell(prompt="off", retrieval="on", adapter="off")
ADAPTER = Cell(prompt="off", retrieval="off", adapter="on")
COST = Cost(requests_a_day=100, days=10, minutes={"retrieval": 2})
SETUP = Setup(
    adapters={
        "style@1": AdapterSetup(
            prompt="house@1",
            prompt_sha256="p",
            held_back=(),
            minutes=50,
            training_loss=None,
            evaluation_loss=None,
        )
    }
)


def combination(cell: Cell, milliseconds: float | None, right: float) -> Combination:
    means = {"milliseconds": Mean(milliseconds, 10), "right": Mean(right, 10)}
    return Combination(cell, means, {}, None, {})


def test_what_is_spent_once_is_shared_by_the_answers_of_the_period() -> None:
    found = [combination(NONE, 1000, 0.5), combination(RETRIEVAL, 1000, 0.5), combination(ADAPTER, 600, 0.8)]
    none, retrieval, adapter = spent(found, SETUP, COST, {"on": "style@1"})
    assert none.per_right == 2000
    assert retrieval.per_right == (1000 + 2 * MINUTE / 1000) / 0.5
    assert adapter.per_right == (600 + 50 * MINUTE / 1000) / 0.8


def test_an_adapter_at_another_strength_was_trained_as_long() -> None:
    (only,) = spent([combination(ADAPTER, 600, 0.8)], SETUP, COST, {"on": "style@1*0.5"})
    assert only.minutes == 50


def test_what_search_was_trained_for_is_retrieval_s() -> None:
    searching = SETUP.model_copy(update={"search": {"search/1": 9, "ranker/2": 3}})
    found = [combination(one, 1000, 0.5) for one in (NONE, RETRIEVAL, ADAPTER)]
    assert [one.minutes for one in spent(found, searching, COST, {"on": "style@1"})] == [0, 2 + 12, 50]


def test_without_a_right_answer_or_without_times_there_is_no_figure() -> None:
    found = [combination(NONE, 1000, 0), combination(RETRIEVAL, None, 0.5)]
    (only,) = spent(found, SETUP, COST, {})
    assert (only.cell, only.per_right) == (NONE, None)


def test_training_pays_from_so_many_questions_on() -> None:
    """1,000 ms a right answer are saved; 50 minutes over 10 days are 300,000 ms a day: 300 questions."""
    adapter, retrieval = Spent(ADAPTER, 50 * MINUTE, 1000, 1, None), Spent(RETRIEVAL, 0, 2000, 1, None)
    even = break_even(adapter, retrieval, 10)
    assert even == BreakEven(ADAPTER, RETRIEVAL, 300) == break_even(retrieval, adapter, 10)
    assert in_a_sentence(even).startswith("From 300 questions a day on, a right answer takes less")


def test_what_is_cheaper_in_both_is_cheaper_always() -> None:
    even = break_even(Spent(ADAPTER, 0, 500, 0.5, None), Spent(RETRIEVAL, 9, 500, 0.4, None), 10)
    assert even == BreakEven(ADAPTER, RETRIEVAL, 0)
    assert "however few are asked" in in_a_sentence(even)


def test_the_same_each_time_is_never_made_up_for() -> None:
    even = break_even(Spent(ADAPTER, 9, 500, 1, None), Spent(RETRIEVAL, 0, 500, 1, None), 10)
    assert (even.cheaper, even.questions) == (RETRIEVAL, 0)


@given(*(st.floats(1, 1e6) for _ in range(4)), st.floats(0.01, 1), st.floats(0.01, 1), st.floats(1, 400))
def test_at_the_break_even_both_take_the_same(
    once: float, other_once: float, each: float, other_each: float, right: float, other_right: float, days: float
) -> None:
    one, other = (
        Spent(ADAPTER, once, each, right, None),
        Spent(RETRIEVAL, other_once, other_each, other_right, None),
    )
    even = break_even(one, other, days)
    if even.questions:
        answers = even.questions * days
        mine = (each + once / answers) / right
        assert mine == pytest.approx((other_each + other_once / answers) / other_right, rel=1e-6)


def test_layers_are_compared_alone_and_as_the_last_one() -> None:
    levels = ("off", "on")
    cells = [Cell(prompt=p, retrieval=r, adapter=a) for p, r, a in product(levels, levels, levels)]
    found = [Spent(cell, 0, 1000, 0.5, None) for cell in cells]
    factors = Factors(prompt=levels, retrieval=levels, adapter=levels)
    assert len(list(break_evens(found, factors, 10))) == 6
    never_right = [Spent(cell, 0, 1000, 0, None) for cell in cells]
    assert not list(break_evens(never_right, factors, 10))
