import json
from collections.abc import Iterable
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from service.experiments.report import ExperimentReport, report_of
from service.experiments.report_terminal import as_terminal
from service.outcomes import ExposedOutcome
from tests.service.experiments.small_experiment import EXPERIMENT, answer, study


def report(outcomes: Iterable[ExposedOutcome], before: dict[str, float] | None = None) -> ExperimentReport:
    return report_of(EXPERIMENT, list(outcomes), before or {})


def test_without_answers_it_goes_on() -> None:
    found = report([])
    assert [(one.verdict, one.more_units) for one in found.verdicts] == [("go on", 60)]
    assert found.srm_p == 1
    json.dumps(found.as_dict())


def test_it_says_how_many_users_one_look_would_take() -> None:
    # Half of 400 an arm are for it: a spread of about 1, and 2 * (2.8 / 0.05) ** 2 users an arm.
    needed = report(study(400, {"old": 0.5, "new": 0.5})).one_look
    assert needed == pytest.approx(2 * 6280, rel=0.02)
    assert report([]).one_look is None


def test_a_better_arm_ships_and_a_worse_one_goes_back() -> None:
    assert report(study(400, {"old": 0.5, "new": 0.75})).verdicts[0].verdict == "ship"
    assert report(study(400, {"old": 0.75, "new": 0.5})).verdicts[0].verdict == "roll back"


def test_a_better_arm_that_sends_people_to_a_person_goes_back() -> None:
    made = [replace(one, escalated=one.arm == "new") for one in study(400, {"old": 0.5, "new": 0.75})]
    assert report(made).verdicts[0].verdict == "roll back"


def test_sizes_that_do_not_fit_the_shares_are_believed_in_nothing() -> None:
    made = [one for one in study(400, {"old": 0.5, "new": 0.9}) if one.arm == "old" or int(one.unit[3:]) % 2]
    found = report(made)
    assert found.srm_p < 0.001
    assert found.verdicts[0].verdict == "check"


def test_equal_arms_rarely_ship_or_go_back_however_often_one_looks() -> None:
    """60 studies of two equal arms, each looked at on all of 20 days: a false alarm in at most 5 % (3)."""
    alarms = 0
    for seed in range(60):
        made = sorted(study(150, {"old": 0.6, "new": 0.6}, seed), key=lambda one: one.answered)
        looks = (report(one for one in made if one.answered < f"2026-03-{day:02}T23") for day in range(1, 21))
        intervals = (find(look) for look in looks)
        alarms += any(found is not None and not found[0] <= 0 <= found[1] for found in intervals)
    assert alarms <= 3


def find(found: ExperimentReport) -> tuple[float, float] | None:
    interval = next(one.always_valid for one in found.effects if one.metric == "rating")
    return (interval.low, interval.high) if interval else None


def test_what_users_said_before_narrows_the_interval() -> None:
    chance = np.random.default_rng(1)
    before: dict[str, float] = {}
    made = []
    for number in range(400):
        arm = "new" if number % 2 else "old"
        content = chance.random()
        before[f"u{number}"] = 2 * content - 1
        made.append(answer(f"u{number}", arm, "up" if chance.random() < content else "down", 1 + number % 20))
    with_past, without = find(report(made, before)), find(report(made))
    assert with_past is not None and without is not None
    assert with_past[1] - with_past[0] < 0.95 * (without[1] - without[0])


def test_the_terminal_says_the_sentence_first() -> None:
    console = Console(record=True, width=160, file=StringIO())
    console.print(
        as_terminal(report([*study(400, {"old": 0.5, "new": 0.75}), answer("x", "old"), answer("x", "new")]))
    )
    text = console.export_text()
    assert text.startswith("Ship new: it is rated better")
    assert "1 users were seen under two arms" in text
    assert "rating (-1 to 1)" in text


def made_by(outcomes: Iterable[ExposedOutcome], names: dict[str, tuple[str, str]]) -> list[ExposedOutcome]:
    """Arm -> what stood in the layer until the tenth day, and after it."""
    return [replace(one, made_by=names[one.arm][one.answered > "2026-03-10"]) for one in outcomes]


@pytest.mark.parametrize("mixed", ["old", "new"])
def test_an_arm_that_was_two_things_is_believed_in_nothing(mixed: str) -> None:
    names = {"old": ("off", "off"), "new": ("style@1 aaaa", "style@1 aaaa")} | {mixed: ("style@1 a", "style@2 b")}
    found = report(made_by(study(400, {"old": 0.5, "new": 0.75}), names))
    [told] = found.verdicts
    assert told.verdict == "check" and f"what {mixed} had in the layer changed" in told.sentence
    assert "higher bucket_version" in told.sentence
    console = Console(record=True, width=300, file=StringIO())
    console.print(as_terminal(found))
    assert "style@1 a (180 answers), style@2 b (220 answers)" in console.export_text()


def test_an_arm_that_was_one_thing_ships_also_where_some_answers_had_none() -> None:
    made = made_by(study(400, {"old": 0.5, "new": 0.75}), {"old": ("off", "off"), "new": ("style@1", "style@1")})
    nothing_found = [replace(made[0], unit="x", made_by=None), replace(made[-1], unit="y", made_by=None)]
    assert report([*made, *nothing_found]).verdicts[0].verdict == "ship"


def test_where_only_a_guardrail_is_open_the_plan_is_for_that_one() -> None:
    """240 users, of whom none differs, leave 3 / 120 in each arm: 0.05 in all, the margin."""
    found = report(study(40, {"old": 0.5, "new": 0.9}))
    (one,) = found.verdicts
    assert (one.verdict, one.more_units) == ("go on", 160)
    (then,) = report(study(120, {"old": 0.5, "new": 0.9})).verdicts
    assert then.verdict == "ship"
