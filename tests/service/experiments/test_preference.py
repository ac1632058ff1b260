"""Wins by hand, the sentence, and simulated studies of rankings that are equal or not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.experiments.preference import lead_interval, preference_of, sign_test, winner
from service.experiments.team_draft import team_draft, tossed
from service.outcomes import ExposedOutcome
from tests.service.experiments.small_interleaving import ARMS, INTERLEAVED, interleaved, of_each, shown
from tests.service.experiments.test_team_draft import ranking

NAMES = ("whole", "fine")


@pytest.mark.parametrize(
    ("passages", "expected"),
    [
        ([shown("whole", True), shown("fine"), shown("whole")], -1),
        ([shown("whole"), shown("fine", True), shown("whole")], 1),
        ([shown("whole", True), shown("fine", True), shown("whole", True)], -1),
        ([shown("whole", True), shown("fine", True)], 0),
        ([shown("whole"), shown("fine")], 0),
        ([shown(None, True), shown("fine")], 0),
        ([], 0),
    ],
)
def test_the_arm_wins_of_which_more_is_cited(passages: list[dict[str, Any]], expected: int) -> None:
    assert winner(interleaved("u", passages), *NAMES) == expected
    assert winner(interleaved("u", passages, evidence_wrong=True), *NAMES) == -expected


def test_the_sign_test_is_exact() -> None:
    """By hand: of 10 tosses 9 or more, or 1 or fewer, are heads in 22 of 1,024 cases."""
    found = sign_test(9, 1)
    assert found is not None and found.p == pytest.approx(22 / 1024)
    # 1 - low is where 1 or fewer of 10 have a chance of 2.5 %.
    miss = 1 - found.low
    assert (1 - miss) ** 10 + 10 * miss * (1 - miss) ** 9 == pytest.approx(0.025)
    assert sign_test(0, 0) is None


def test_the_report_counts_wins_ties_and_what_was_turned() -> None:
    answers = [
        *of_each(3, 1, 2),
        interleaved("u0", [shown("whole", True), shown("fine")], evidence_wrong=True),
        interleaved("v", [shown(None, True, "hospital-fine"), shown(None, False, "hospital-fine")]),
        interleaved("w", []),
    ]
    report = preference_of(INTERLEAVED, answers)
    assert [(side.name, side.wins, side.drafted, side.cited) for side in report.sides] == [
        ("whole", 1, 2, 2),
        ("fine", 4, 6, 3),
    ]
    assert (report.answers, report.users, report.ties, report.turned, report.undrafted) == (9, 8, 4, 1, 2)
    assert (report.lead, report.share) == pytest.approx((3 / 9, 4 / 5))
    assert report.always_valid is None and "too little to tell" in report.sentence


def test_an_answer_of_one_arm_counts_nothing() -> None:
    ordinary = replace(of_each(1, 0, 0)[0], arm="fine")
    assert preference_of(INTERLEAVED, [ordinary]).answers == 0
    assert preference_of(INTERLEAVED, []).sentence.startswith("Go on")


@pytest.mark.parametrize(
    ("wins", "lost", "ties", "verdict"),
    [
        (80, 10, 60, "Keep fine: "),
        (10, 80, 60, "Keep whole: "),
        (60, 0, 0, "Keep fine: "),
        (0, 0, 2000, "Keep whole: "),
        (40, 30, 80, "Go on: "),
        (0, 0, 40, "Go on: "),
    ],
)
def test_one_sentence_says_which_to_keep(wins: int, lost: int, ties: int, verdict: str) -> None:
    report = preference_of(INTERLEAVED, of_each(wins, lost, ties))
    assert report.sentence.startswith(verdict)
    assert (report.more_answers is None) is (verdict != "Go on: ")


def test_so_many_more_answers_are_enough_where_it_goes_on_like_this() -> None:
    report = preference_of(INTERLEAVED, of_each(24, 12, 40))
    assert report.more_answers is not None
    times = 1 + report.more_answers * 1.1 / 76
    later = preference_of(INTERLEAVED, of_each(int(24 * times), int(12 * times), int(40 * times)))
    assert later.sentence.startswith("Keep fine")


def study(chance: np.random.Generator, answers: int, found: tuple[list[str], list[str]], right: str) -> list[int]:
    """Answers that cite the passage with the answer if it is shown, and now and then any other: who won each."""
    rankings = ranking("a", *found[0]), ranking("b", *found[1])
    return [winner(simulated(chance, rankings, right), *NAMES) for _ in range(answers)]


def simulated(chance: np.random.Generator, rankings: Any, right: str) -> ExposedOutcome:
    drafted = team_draft(rankings, 3, tossed("s", chance.bytes(16).hex(), 3))
    cites = [chance.random() < (0.8 if one.passage.text == right else 0.15) for one in drafted]
    names = [None if one.team is None else ARMS[one.team].name for one in drafted]
    return interleaved("u", [shown(*pair) for pair in zip(names, cites, strict=True)])


EQUAL = ["parking garage", "visitor hours", "medical records"]
WORSE = ["baby flowers", "kitchen menu", "parking garage"]


def test_equal_rankings_give_no_preference_however_often_one_looks() -> None:
    chance = np.random.default_rng(1)
    alarms, looks, wins = 0, range(40, 201, 20), 0
    for _ in range(100):
        won = study(chance, 200, (EQUAL, EQUAL), EQUAL[0])
        wins += sum(won)
        seen = [lead_interval(won[:look], 200) for look in looks]
        alarms += any(one is not None and one.p < 0.05 for one in seen)
    assert alarms <= 5
    assert abs(wins) / (100 * 200) < 0.02


def test_the_ranking_with_the_answer_on_top_is_preferred() -> None:
    chance = np.random.default_rng(2)
    for found, sign in (((WORSE, EQUAL), 1), ((EQUAL, WORSE), -1)):
        interval = lead_interval(study(chance, 200, found, EQUAL[0]), 200)
        assert interval is not None and interval.low * sign > 0 and interval.high * sign > 0


def test_who_cites_at_random_prefers_nobody_however_unlike_the_rankings_are() -> None:
    chance = np.random.default_rng(3)
    for found in ((EQUAL[:1], [*EQUAL, "baby flowers"]), (EQUAL, WORSE), ([], EQUAL)):
        won = study(chance, 2000, found, "nothing of these")
        assert abs(sum(won)) / len(won) < 0.05
