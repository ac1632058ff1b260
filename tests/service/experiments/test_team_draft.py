"""Two rankings by hand, and what holds for all of them."""

from collections import Counter
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.documents import Passage
from service.experiments.team_draft import Drafted, Team, same_text, team_draft, tossed

WORDS = ("parking garage", "visitor hours", "medical records", "baby flowers", "blood donors", "kitchen menu")
COINS: list[Team] = [0, 1]


def passage(name: str, text: str, score: float = 0.5) -> Passage:
    return Passage(name, "d", "page.md", "Page", (), 0, text, score)


def ranking(collection: str, *texts: str) -> list[Passage]:
    """The best first, as a search gives them."""
    return [passage(f"{collection}{n}", text, 0.9 - n / 10) for n, text in enumerate(texts)]


def told(drafted: tuple[Drafted, ...]) -> list[tuple[str, Team | None]]:
    return [(one.passage.chunk_id, one.team) for one in drafted]


@pytest.mark.parametrize(
    ("coins", "expected"),
    [
        ([0, 0], [("a0", 0), ("b0", 1), ("a2", 0)]),
        ([0, 1], [("a0", 0), ("b0", 1), ("b2", 1)]),
        ([1, 0], [("b0", 1), ("a0", 0), ("a2", 0)]),
        ([1, 1], [("b0", 1), ("a0", 0), ("b2", 1)]),
    ],
)
def test_captains_pick_by_turns_and_a_coin_decides_each_round(
    coins: list[Team], expected: list[tuple[str, Team | None]]
) -> None:
    one = ranking("a", "parking garage", "visitor hours", "medical records")
    other = ranking("b", "visitor hours", "parking garage", "baby flowers")
    assert told(team_draft((one, other), 3, coins)) == expected


def test_what_both_found_belongs_to_who_drafted_it() -> None:
    same = ranking("a", "parking garage", "visitor hours"), ranking("b", "parking garage", "visitor hours")
    assert told(team_draft(same, 2, [0])) == [("a0", 0), ("b1", 1)]
    assert told(team_draft(same, 2, [1])) == [("b0", 1), ("a1", 0)]


def test_a_round_that_one_team_cannot_answer_counts_for_nobody() -> None:
    one, other = ranking("a", "parking garage"), ranking("b", "parking garage", "visitor hours", "baby flowers")
    assert told(team_draft((one, other), 3, [0, 0])) == [("a0", 0), ("b1", 1), ("b2", None)]
    assert told(team_draft((one, other), 3, [1, 0])) == [("a0", None), ("b1", None), ("b2", None)]
    assert told(team_draft(([], other), 2, [0])) == [("b0", None), ("b1", None)]
    assert team_draft(([], []), 3, [0, 0]) == ()


@pytest.mark.parametrize("coin", COINS)
def test_a_last_single_place_for_what_both_would_pick_is_nobody_s_merit(coin: Team) -> None:
    one, other = ranking("a", "parking garage", "visitor hours"), ranking("b", "parking garage", "baby flowers")
    [(_, team)] = told(team_draft((one, other), 1, [coin]))
    assert team is None
    both = ranking("a", *WORDS[:3]), ranking("b", *WORDS[:3])
    assert [team for _, team in told(team_draft(both, 3, [coin, coin]))] == [coin, 1 - coin, None]
    apart = ranking("a", "parking garage"), ranking("b", "baby flowers")
    assert [team for _, team in told(team_draft(apart, 1, [coin]))] == [coin]


def test_the_same_text_is_known_by_its_words_whatever_its_id() -> None:
    whole = passage("a", "Parking costs $2 an hour.\nPay at the machines by the elevators.")
    part = passage("b", "Pay at the machines  by the elevators.")
    apart = passage("c", "Pay at the machines in the lobby.")
    assert same_text(whole, part) and same_text(part, whole)
    assert same_text(whole, passage("d", whole.text.replace("\n", " ")))
    assert not same_text(whole, apart) and not same_text(part, apart)


def test_a_part_of_a_passage_is_not_shown_beside_it_in_either_order() -> None:
    one = ranking("a", "parking garage and visitor hours", "medical records")
    other = ranking("b", "visitor hours", "baby flowers")
    assert told(team_draft((one, other), 3, [0, 0])) == [("a0", 0), ("b1", 1), ("a1", None)]
    assert told(team_draft((one, other), 3, [1, 0])) == [("b0", 1), ("a1", 0), ("b1", None)]


texts = st.lists(st.sampled_from(WORDS), unique=True, max_size=5)


@given(texts, texts, st.integers(1, 5))
def test_the_teams_are_even_and_over_all_coins_equal(one: list[str], other: list[str], limit: int) -> None:
    rankings = ranking("a", *one), ranking("b", *other)
    lead = 0
    for coins in product(COINS, repeat=(limit + 1) // 2):
        drafted = team_draft(rankings, limit, coins)
        sizes = Counter(pick.team for pick in drafted)
        assert abs(sizes[0] - sizes[1]) <= 1
        lead += sizes[1] - sizes[0]
        shown = [pick.passage.text for pick in drafted]
        assert len(shown) == len(set(shown)) == min(limit, len({*one, *other}))
    assert lead == 0


@given(texts.filter(bool), st.integers(1, 5))
def test_with_equal_rankings_the_shown_ranking_is_that_one(found: list[str], limit: int) -> None:
    rankings = ranking("a", *found), ranking("b", *found)
    for coins in product(COINS, repeat=(limit + 1) // 2):
        assert [one.passage.text for one in team_draft(rankings, limit, coins)] == found[:limit]


def test_the_coin_is_fair_in_every_round_and_always_falls_the_same() -> None:
    ids = [UUID(int=number * 7919 << 64 | number).hex for number in range(8_000)]
    falls = [tossed("layer-retrieval", one, 2) for one in ids]
    pairs = Counter(map(tuple, falls))
    assert all(abs(pairs[pair] / len(ids) - 0.25) < 0.02 for pair in product(COINS, repeat=2))
    assert falls[:100] == [tossed("layer-retrieval", one, 2) for one in ids[:100]]
    other = [tossed("another seed", one, 2) for one in ids]
    agreed = sum(one == two for one, two in zip(falls, other, strict=True))
    assert abs(agreed / len(ids) - 0.25) < 0.02


def test_with_equal_rankings_each_team_has_the_first_place_half_of_the_time() -> None:
    rankings = ranking("a", *WORDS), ranking("b", *WORDS)
    first = [team_draft(rankings, 3, tossed("s", f"m{number}", 3))[0].team for number in range(4000)]
    assert abs(first.count(0) - 2000) < 100
