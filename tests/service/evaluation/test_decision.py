"""Verdicts from effects worked by hand, and what they promise over many simulated studies."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from service.evaluation.decision import decide, questions_needed
from service.evaluation.effects import Effect, estimate
from service.evaluation.guardrails import NonInferiority, non_inferiority
from service.evaluation.paired import Interval, cautious

FINE = non_inferiority(np.random.default_rng(1).normal(0, 0.05, 200), 0.05)
UNSURE = non_inferiority(np.random.default_rng(1).normal(0, 0.5, 200), 0.05)
HARMED = non_inferiority(np.random.default_rng(1).normal(-0.3, 0.05, 200), 0.05)


def effect(mean: float, spread: float, questions: int = 100) -> Effect:
    half = float(stats.t.ppf(0.975, questions - 1)) * spread / math.sqrt(questions)
    interval = cautious(Interval(mean - half, mean + half), spread, questions)
    return Effect("main", "adapter", mean, interval, interval, 0.01, 0.03, spread, questions, questions)


def verdict(one: Effect, guardrails: dict[str, NonInferiority] | None = None) -> tuple[str, int | None]:
    decision = decide(one, 0.05, "answer recall", guardrails or {})
    return decision.verdict, decision.more_questions


def test_a_useful_effect_is_kept() -> None:
    decision = decide(effect(0.12, 0.2), 0.05, "answer recall", {"reading grade": FINE})
    assert (decision.verdict, decision.more_questions) == ("keep", None)
    assert decision.sentence == (
        "Keep adapter: it raises answer recall by +0.120 (95 % interval +0.080 to +0.160); "
        "0.05 was declared to be worth it."
    )


def test_an_effect_too_small_or_harmful_is_dropped() -> None:
    small, harmful = (decide(effect(mean, 0.1), 0.05, "answer recall", {}) for mean in (0.01, -0.1))
    assert small.verdict == harmful.verdict == "drop"
    assert "does not raise answer recall by 0.05" in small.sentence
    assert "lowers answer recall" in harmful.sentence


def test_an_open_effect_asks_for_the_questions_that_would_show_a_useful_one() -> None:
    open_one = effect(0.04, 0.3)
    assert verdict(open_one) == ("more", questions_needed(0.3, 0.05) - 100)
    assert "about 185 more questions are needed" in decide(open_one, 0.05, "answer recall", {}).sentence


def test_an_effect_close_under_the_useful_one_asks_for_the_distance() -> None:
    assert verdict(effect(0.035, 0.2, 400)) == ("more", questions_needed(0.2, 0.015) - 400)
    assert "more than 10,000" in decide(effect(0.0499, 0.2, 400), 0.05, "answer recall", {}).sentence


@pytest.mark.parametrize(("questions", "expected"), [(19, ("more", 42)), (20, ("more", 41)), (61, ("drop", None))])
def test_questions_that_never_differed_prove_little(questions: int, expected: tuple[str, int | None]) -> None:
    assert verdict(effect(0.0, 0.0, questions)) == expected


@pytest.mark.parametrize("mean", [0.4, -0.4])
def test_a_clear_effect_of_few_questions_asks_for_the_missing_ones_only(mean: float) -> None:
    decision = decide(effect(mean, 0.4, 12), 0.05, "right", {})
    assert (decision.verdict, decision.more_questions) == ("more", 8)
    assert "but under 20 questions nothing is decided; about 8 more questions are needed" in decision.sentence
    assert "leaves open" not in decision.sentence


def test_what_rounding_leaves_is_no_spread() -> None:
    assert verdict(effect(0.0, 1e-17, 20)) == verdict(effect(0.0, 0.0, 20)) == ("more", 41)
    rounded = replace(non_inferiority(np.zeros(4), 0.1), spread=1e-17)
    assert verdict(effect(0.12, 0.2), {"refusals": rounded}) == ("more", 27)


def test_a_guardrail_of_like_questions_needs_more_documents() -> None:
    few = non_inferiority(np.zeros(50), 0.1, groups=["a", "b", "c", "d", "e"] * 10)
    assert (few.interval, few.holds) == (Interval(-0.6, 0.6), False)
    assert verdict(effect(0.12, 0.2), {"refusals": few}) == ("more", 31 * 10 - 50)
    enough = non_inferiority(np.zeros(310), 0.1, groups=[f"d{number % 31}" for number in range(310)])
    assert verdict(effect(0.12, 0.2), {"refusals": enough}) == ("keep", None)


def test_an_effect_that_no_question_of_few_documents_changed_is_not_ruled_out() -> None:
    scores = np.zeros((60, 2, 2, 2))
    found = estimate(scores, ["a", "b", "c"] * 20)
    adapter = found.of("main")["adapter"]
    assert adapter.interval == Interval(-1.0, 1.0)
    assert verdict(adapter) == ("more", 61 * 20 - 60)
    reaches = [one.interval.high for one in found.of("interaction").values() if one.interval]
    assert reaches == [2.0, 2.0, 2.0, 4.0], "scores of 0 and 1 can make interactions of 2 and 4"


def test_without_an_interval_there_is_no_verdict() -> None:
    none = replace(effect(0.1, 0.2, 2), interval=None, mean=None, spread=None, questions=0)
    decision = decide(none, 0.05, "answer recall", {})
    assert decision.verdict == "more" and decision.more_questions == 61
    assert "too few questions have a score" in decision.sentence


def test_guardrails_block_what_would_be_kept() -> None:
    good = effect(0.12, 0.2)
    harmed = decide(good, 0.05, "answer recall", {"refusals": FINE, "reading grade": HARMED})
    assert harmed.verdict == "drop"
    assert harmed.sentence.endswith("makes worse than allowed: reading grade.")
    assert UNSURE.spread is not None
    assert verdict(good, {"latency": UNSURE}) == ("more", questions_needed(UNSURE.spread, 0.05) - 200)
    assert verdict(good, {"latency": non_inferiority(np.array([np.nan]), 0.05)}) == ("more", 20)


def test_a_harmed_guardrail_ends_it_while_the_effect_is_open() -> None:
    decision = decide(effect(0.04, 0.3), 0.05, "answer recall", {"refusals": FINE, "reading grade": HARMED})
    assert (decision.verdict, decision.more_questions) == ("drop", None)
    assert "answer recall changes by +0.040" in decision.sentence
    assert decision.sentence.endswith("the layer makes worse than allowed: reading grade.")
    assert verdict(effect(0.12, 0.2, 19), {"reading grade": HARMED})[0] == "more"


def test_a_few_questions_without_a_change_do_not_prove_a_guardrail() -> None:
    few, enough = (non_inferiority(np.zeros(count), 0.1) for count in (4, 31))
    good = effect(0.12, 0.2)
    assert verdict(good, {"refusals": few}) == ("more", 27)
    assert verdict(good, {"refusals": enough}) == ("keep", None)


@pytest.mark.parametrize("smallest", [0.0, -0.05, float("nan")])
def test_a_smallest_useful_effect_is_declared(smallest: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        decide(effect(0.1, 0.1), smallest, "answer recall", {})


def test_questions_needed_is_the_textbook_figure() -> None:
    assert questions_needed(1.0, 0.5) == 34  # Student's exact answer for 80 % power at half a standard deviation


@pytest.mark.parametrize("effect_in_spreads", [0.1, 0.3, 0.6])
def test_so_many_questions_have_80_percent_power(effect_in_spreads: float) -> None:
    questions = questions_needed(1.0, effect_in_spreads)
    critical = stats.t.ppf(0.975, questions - 1)
    power = stats.nct.sf(critical, questions - 1, effect_in_spreads * math.sqrt(questions))
    assert 0.8 <= power < 0.82


def test_a_layer_without_effect_is_hardly_ever_kept() -> None:
    means = np.random.default_rng(10).normal(0, 0.3 / 10, 2000)
    verdicts = [verdict(effect(mean, 0.3))[0] for mean in means.tolist()]
    assert verdicts.count("keep") / 2000 <= 0.025 + 2.33 * math.sqrt(0.025 * 0.975 / 2000)
