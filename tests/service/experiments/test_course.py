from itertools import pairwise

from service.experiments.course import MOST_LOOKS, course_of, ends_of
from service.experiments.effects import find
from service.experiments.report import report_of
from tests.service.experiments.small_experiment import EXPERIMENT, answer, study


def test_the_last_look_is_the_report() -> None:
    made = study(200, {"old": 0.4, "new": 0.7})
    looks, report = course_of(EXPERIMENT, "new", made, {}), report_of(EXPERIMENT, made, {})
    expected = find(report.effects, "new", "rating")
    assert (looks[-1].difference, looks[-1].always_valid) == (expected.difference, expected.always_valid)
    assert looks[-1].units == 400


def test_a_look_knows_nothing_of_later_days() -> None:
    made = study(200, {"old": 0.4, "new": 0.7})
    early = [one for one in made if one.answered < "2026-03-08T10:00:01"]
    assert course_of(EXPERIMENT, "new", made, {})[:7] == course_of(EXPERIMENT, "new", early, {})


def test_each_day_has_more_users_and_a_narrower_interval() -> None:
    looks = course_of(EXPERIMENT, "new", study(400, {"old": 0.5, "new": 0.5}), {})
    assert [look.day for look in looks] == list(range(1, 20))
    seen = [look for look in looks if look.always_valid]
    widths = [look.always_valid.high - look.always_valid.low for look in seen if look.always_valid]
    assert len(seen) > 15 and widths == sorted(widths, reverse=True)
    assert [look.units for look in looks] == sorted(look.units for look in looks)


def test_earlier_ratings_count_at_every_look() -> None:
    made = study(200, {"old": 0.4, "new": 0.7})
    before = {one.unit: 1.0 if one.rating == "up" else -1.0 for one in made}
    plain, less = (course_of(EXPERIMENT, "new", made, past)[5].always_valid for past in ({}, before))
    assert plain and less and less.high - less.low < plain.high - plain.low


def test_a_long_experiment_is_looked_at_less_often() -> None:
    assert ends_of([0.0, 0.4]) == [1]
    assert ends_of([0.0, 2.5]) == [1, 2, 3]
    ends = ends_of([0.0, 365.0])
    assert len(ends) <= MOST_LOOKS and ends[-1] == 365
    assert len({later - end for end, later in pairwise(ends)}) == 1


def test_without_answers_there_is_no_look() -> None:
    assert course_of(EXPERIMENT, "new", [], {}) == ()
    assert course_of(EXPERIMENT, "new", [answer("ann", "old")], {})[0].difference is None
