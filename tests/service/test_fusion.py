from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.prompt import Turn
from ingest.documents import Hit, Passage
from service.fusion import best_of, by_page, chosen, coverage, fuse, reranked, search_queries, with_pages

ids = st.sampled_from(["a", "b", "c", "d", "e"])
hits = st.lists(st.builds(Hit, ids, st.floats(-1, 1)), max_size=5, unique_by=lambda hit: hit.chunk_id)
word_hits = st.lists(st.builds(Hit, ids, st.floats(0, 50)), max_size=5, unique_by=lambda hit: hit.chunk_id)
shares = st.floats(0, 1)


def passage(name: str, text: str) -> Passage:
    return Passage(name, "d", "a.md", "Visiting", ("Hours",), 0, text)


def test_a_first_question_is_searched_as_it_is() -> None:
    assert search_queries("When can I visit?", ()) == ("When can I visit?",)


def test_a_follow_up_is_searched_alone_and_with_the_last_question() -> None:
    history = (Turn("Where do I park?", "In the garage."), Turn("When can I visit?", "From 10."))
    assert search_queries("And on Sundays?", history) == (
        "And on Sundays?",
        "When can I visit? And on Sundays?",
    )


def test_a_very_long_last_question_leaves_room_for_this_one() -> None:
    assert len(search_queries("And now?", (Turn("word " * 1000, ""),))[1]) < 400


@pytest.mark.parametrize(
    ("query", "share"),
    [("visiting hours", 1.0), ("visit the garage", 0.5), ("parking price", 0.0), ("the", 0.0), ("???", 0.0)],
)
def test_coverage_counts_telling_words_in_all_their_forms(query: str, share: float) -> None:
    assert coverage(query, passage("a", "You can come every day.")) == share


def test_both_searches_add_up_by_weight() -> None:
    scores = fuse([Hit("a", 0.8), Hit("b", -0.2)], [Hit("a", 6.0), Hit("c", 3.0)], 1.0, 0.6)
    assert scores == pytest.approx({"a": 0.6 * 0.8 + 0.4, "b": 0.0, "c": 0.2})


def test_a_best_match_that_covers_little_counts_little() -> None:
    assert fuse([], [Hit("a", 6.0)], 0.25, 0.6)["a"] == pytest.approx(0.1)


@given(hits, word_hits, shares, shares)
def test_scores_stay_between_0_and_1(dense: list[Hit], keyword: list[Hit], strength: float, weight: float) -> None:
    scores = fuse(dense, keyword, strength, weight)
    assert set(scores) == {hit.chunk_id for hit in (*dense, *keyword)}
    assert all(0 <= score <= 1 + 1e-9 for score in scores.values())


def test_a_page_that_both_searches_find_in_two_places_comes_before_one_that_either_finds() -> None:
    sources = {"a": "first", "b": "first", "c": "second"}
    dense, worded = [Hit("a", 0.7), Hit("c", 0.8)], [Hit("b", 5.0)]
    scores = fuse(dense, worded, 0.5, 0.6)
    pages = fuse(by_page(dense, sources), by_page(worded, sources), 0.5, 0.6)
    assert pages == pytest.approx({"first": 0.42 + 0.2, "second": 0.48})
    assert max(scores, key=scores.__getitem__) == "c"
    mixed = with_pages(scores, pages, sources, 0.7)
    assert mixed == pytest.approx({"a": 0.3 * 0.42 + 0.7 * 0.62, "b": 0.3 * 0.2 + 0.7 * 0.62, "c": 0.48})
    assert with_pages(scores, pages, sources, 0) == scores


@given(hits, word_hits, shares, shares, shares)
def test_within_a_page_nothing_changes_places(
    dense: list[Hit], keyword: list[Hit], strength: float, weight: float, page_weight: float
) -> None:
    sources = dict.fromkeys("abcde", "page")
    scores = fuse(dense, keyword, strength, weight)
    pages = fuse(by_page(dense, sources), by_page(keyword, sources), strength, weight)
    mixed = with_pages(scores, pages, sources, page_weight)
    for one in scores:
        assert mixed[one] >= scores[one] - 1e-9
        assert all(mixed[one] <= mixed[other] + 1e-9 for other in scores if scores[one] <= scores[other])


@given(hits, word_hits, shares, shares, ids)
def test_a_better_cosine_never_lowers_a_score(
    dense: list[Hit], keyword: list[Hit], strength: float, weight: float, better: str
) -> None:
    improved = [*(hit for hit in dense if hit.chunk_id != better), Hit(better, 1.0)]
    before, after = fuse(dense, keyword, strength, weight), fuse(improved, keyword, strength, weight)
    assert after[better] >= before.get(better, 0.0) - 1e-9


def test_the_better_query_decides_for_each_chunk() -> None:
    assert best_of([{"a": 0.2, "b": 0.5}, {"a": 0.4, "b": 0.1}]) == {"a": 0.4, "b": 0.5}


TEXTS = {
    "a": passage("a", "Visitors are welcome from ten to eight every day."),
    "b": passage("b", "Visitors are welcome from ten to eight every day!"),
    "c": passage("c", "Park in the garage."),
    "d": passage("d", "Flowers are not allowed."),
}


def test_the_best_come_first_and_carry_their_scores() -> None:
    shown = chosen(TEXTS, {"c": 0.5, "d": 0.9, "gone": 1.0}, limit=3, min_score=0.3)
    assert [(one.chunk_id, one.score) for one in shown] == [("d", 0.9), ("c", 0.5)]


def test_the_same_text_is_shown_once() -> None:
    shown = chosen(TEXTS, {"a": 0.5, "b": 0.6, "c": 0.4}, limit=3, min_score=0.0)
    assert [one.chunk_id for one in shown] == ["b", "c"]


def test_a_text_that_has_a_short_one_in_it_and_says_more_is_shown_too() -> None:
    texts = TEXTS | {"b": passage("b", f"{TEXTS['d'].text} {TEXTS['a'].text}")}
    shown = chosen(texts, {"d": 0.6, "b": 0.5}, limit=3, min_score=0.5)
    assert [one.chunk_id for one in shown] == ["d", "b"], "a score of just the least is enough"


@given(st.dictionaries(ids, shares), st.integers(0, 5), shares)
def test_never_too_many_and_never_too_weak(scores: dict[str, float], limit: int, min_score: float) -> None:
    shown = chosen(TEXTS, scores, limit, min_score)
    assert len(shown) <= limit
    assert all(scores[one.chunk_id] >= min_score for one in shown)
    assert [one.score for one in shown] == sorted((one.score for one in shown), reverse=True)


@given(st.lists(st.tuples(shares, st.floats(-20, 20)), min_size=1, max_size=6), st.floats(0, 10), st.integers(0, 3))
def test_a_second_look_orders_what_it_looked_at_and_loses_nothing(
    told: list[tuple[float, float]], weight: float, unread: int
) -> None:
    looked = [replace(passage(str(number), "t"), score=score) for number, (score, _) in enumerate(told)]
    rest = [passage(f"r{number}", "t") for number in range(unread)]
    found = reranked([*looked, *rest], [odds for _, odds in told], weight)
    worth = {str(number): score + weight * odds for number, (score, odds) in enumerate(told)}
    order = [worth[one.chunk_id] for one in found[: len(told)]]
    assert order == sorted(order, reverse=True)
    assert list(found[len(told) :]) == rest
    assert {one.chunk_id: one.score for one in found[: len(told)]} == {one.chunk_id: one.score for one in looked}
