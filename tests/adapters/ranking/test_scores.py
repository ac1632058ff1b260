from adapters.asked import Asked
from adapters.ranking.ranker import Ranker
from adapters.ranking.scores import odds_of, scores_of
from tests.adapters.ranking.test_ranker import PASSAGES, QUESTIONS

LIBRARY, CARDS, POOL = PASSAGES
ANSWERED = [
    Asked(QUESTIONS[0], LIBRARY, (CARDS, POOL)),
    Asked(QUESTIONS[1], CARDS, (LIBRARY, POOL)),
    Asked(QUESTIONS[2], POOL, (CARDS, LIBRARY)),
]
UNANSWERED = [
    Asked("who was the library's architect", None, PASSAGES),
    Asked("can i bring my horse", None, PASSAGES),
]


def test_a_ranker_that_is_always_right_has_full_scores_and_a_bound_that_all_reach(ranker: Ranker) -> None:
    scores = scores_of([*ANSWERED, *UNANSWERED], ranker)
    assert (scores["first"], scores["answerable, area"]) == (1.0, 1.0)
    best = sorted(max(odds_of(one, ranker)) for one in ANSWERED)
    assert best[0] - 0.01 <= scores["bound"] <= best[1]


def test_where_the_right_passage_is_another_the_first_is_wrong(ranker: Ranker) -> None:
    mixed = [ANSWERED[0], Asked(QUESTIONS[1], LIBRARY, (CARDS, POOL))]
    assert scores_of(mixed, ranker)["first"] == 0.5


def test_what_cannot_be_told_is_left_out(ranker: Ranker) -> None:
    assert set(scores_of(ANSWERED, ranker)) == {"first", "bound"}
    assert scores_of(UNANSWERED, ranker) == {}


def test_of_the_others_only_the_nearest_are_rivals(ranker: Ranker) -> None:
    assert len(odds_of(ANSWERED[0], ranker)) == 3
    assert len(odds_of(UNANSWERED[0], ranker)) == 2
