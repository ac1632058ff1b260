"""Ranking metrics by hand, and equal to trec_eval (the engine of ir-measures) on random rankings."""

from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.metrics.retrieval import ndcg, recall_at, reciprocal_rank

IDS = [f"d{number}" for number in range(12)]
RANKINGS = st.lists(st.sampled_from(IDS), unique=True, min_size=1)
GRADES = st.dictionaries(st.sampled_from(IDS), st.integers(0, 3), min_size=1)


def test_ndcg_by_hand() -> None:
    grades = {"a": 3, "b": 2, "c": 1}
    ideal = 3 + 2 / log2(3) + 1 / log2(4)
    assert ndcg(["a", "b", "c"], grades, 3) == pytest.approx(1.0)
    assert ndcg(["x", "a", "b"], grades, 3) == pytest.approx((3 / log2(3) + 2 / log2(4)) / ideal)
    assert ndcg(["a"], grades, 3) == pytest.approx(3 / ideal)
    assert ndcg(["c", "a"], grades, 1) == pytest.approx(1 / 3)


def test_recall_and_reciprocal_rank_by_hand() -> None:
    assert recall_at(["x", "a", "b"], {"a", "b"}, 2) == 0.5
    assert reciprocal_rank(["x", "a", "b"], {"a", "b"}) == 0.5
    assert (recall_at([], {"a"}, 5), reciprocal_rank(["x"], {"a"}), ndcg([], {"a": 1}, 5)) == (0.0, 0.0, 0.0)


def test_a_document_found_twice_counts_once() -> None:
    assert ndcg(["a", "a"], {"a": 1}, 2) == pytest.approx(1.0)
    assert recall_at(["x", "x", "a"], {"a"}, 2) == 1.0
    assert reciprocal_rank(["x", "x", "a"], {"a"}) == 0.5


def test_without_anything_relevant_there_is_no_score() -> None:
    assert (ndcg(["a"], {"a": 0}, 3), recall_at(["a"], set(), 3), reciprocal_rank(["a"], set())) == (None,) * 3


@given(RANKINGS, GRADES, st.integers(1, 12))
def test_equal_to_ir_measures(ranked: list[str], grades: dict[str, int], k: int) -> None:
    measures = pytest.importorskip("ir_measures")
    relevant = {one for one, grade in grades.items() if grade}
    if not relevant:
        return
    scores = {one: float(-rank) for rank, one in enumerate(ranked)}
    wanted = [measures.nDCG @ k, measures.Recall @ k, measures.RR]
    expected = measures.calc_aggregate(wanted, {"q": grades}, {"q": scores})
    assert ndcg(ranked, grades, k) == pytest.approx(expected[wanted[0]])
    assert recall_at(ranked, relevant, k) == pytest.approx(expected[wanted[1]])
    assert reciprocal_rank(ranked, relevant) == pytest.approx(expected[wanted[2]])
