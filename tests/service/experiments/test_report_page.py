import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from service.experiments.assign import Arm
from service.experiments.report import report_of
from service.experiments.report_page import as_page
from service.outcomes import ExposedOutcome
from tests.service.evaluation.page_reader import Reader, check_self_contained
from tests.service.experiments.small_experiment import EXPERIMENT, answer, study

BETTER = study(400, {"old": 0.5, "new": 0.75})
THREE = replace(EXPERIMENT, arms=tuple(Arm(name, "on", 1 / 3) for name in ("old", "new", "newer")))


def page_of(outcomes: list[ExposedOutcome], before: dict[str, float] | None = None) -> str:
    return as_page(EXPERIMENT, report_of(EXPERIMENT, outcomes, before or {}), outcomes, before or {})


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(BETTER)


def pictures(page: str) -> list[ET.Element]:
    return list(ET.fromstring(page).iter("svg"))


def of_class(picture: ET.Element, name: str) -> list[ET.Element]:
    return [one for one in picture.iter() if name in str(one.get("class")).split()]


def test_it_needs_nothing_but_itself(page: str) -> None:
    assert page.lstrip().startswith("<!DOCTYPE html>")
    assert ET.fromstring(page).tag == "html"
    check_self_contained(page)
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_the_sentence_comes_first(page: str) -> None:
    assert page.index("Ship new: it is rated better, by") < page.index("<h2>")


def test_every_part_is_there(page: str) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    for words in (
        "Effects",
        "interval went",
        "sizes",
        "Guardrails",
        "said before",
        "How many users",
        "and how",
        "Limits",
    ):
        assert any(words in heading for heading in headings), words


def test_a_picture_is_told_in_words_and_in_a_table(page: str) -> None:
    ratings, course, losses = pictures(page)
    for picture in (ratings, course, losses):
        assert picture.get("role") == "img"
    rating = report_of(EXPERIMENT, BETTER, {}).effects[0]
    assert rating.difference and rating.always_valid and rating.fixed
    for interval in (rating.always_valid, rating.fixed):
        assert f"{rating.difference:+.3f}, from {interval.low:+.3f} to {interval.high:+.3f}." in str(
            ratings.get("aria-label")
        )
        assert f"<td>{interval.low:+.3f} to {interval.high:+.3f}</td>" in page
    assert "on day 19" in str(course.get("aria-label"))
    assert "new, still open:" in str(losses.get("aria-label"))


def test_the_forest_has_both_intervals_the_one_for_any_look_wider(page: str) -> None:
    any_look, one_look = of_class(pictures(page)[0], "mark")
    assert (any_look.get("class"), one_look.get("class")) == ("mark any", "mark one")
    ends = [(float(str(one.get("x1"))), float(str(one.get("x2")))) for one in (any_look, one_look)]
    assert 0 < ends[0][0] < ends[1][0] < ends[1][1] < ends[0][1] < 400


def test_the_course_has_a_point_for_each_day_with_an_interval(page: str) -> None:
    course = pictures(page)[1]
    (line,), (area,) = of_class(course, "line"), of_class(course, "band")
    days = page.split("Day by day, in figures")[1].split("</table>")[0].count(" to +")
    assert len(str(line.get("points")).split()) == days
    assert len(str(area.get("points")).split()) == 2 * days


def test_sizes_that_do_not_fit_are_an_alarm() -> None:
    page = page_of([one for one in BETTER if one.arm == "old" or int(one.unit[3:]) % 2])
    assert "Believe nothing of new yet" in page
    assert "The arms&#39; sizes do not fit their shares" in page
    assert "do not fit" not in page_of(BETTER)


def test_earlier_ratings_are_told() -> None:
    assert "no CUPED" in page_of(BETTER)
    page = page_of(BETTER, {one.unit: 1.0 if one.rating == "up" else -1.0 for one in BETTER[::2]})
    assert "400 of 800 users had answers before" in page


def test_a_guardrail_that_is_harmed_says_so() -> None:
    page = page_of([replace(one, escalated=one.arm == "new") for one in BETTER])
    assert '<td class="text drop">harmed</td>' in page
    assert "by the rule of three" in page


@pytest.mark.parametrize("outcomes", [[], [answer("ann", "new", "up")], study(29, {"old": 0.5, "new": 0.5})])
def test_before_there_is_enough_it_is_a_page_too(outcomes: list[ExposedOutcome]) -> None:
    page = page_of(outcomes)
    ET.fromstring(page)
    assert "too little to tell" in page
    assert not pictures(page)
    assert "nan" not in Reader(page).text.lower().split()


def test_every_arm_has_its_course() -> None:
    made = [*study(200, {"old": 0.5, "new": 0.6}), *study(200, {"newer": 0.7})]
    page = as_page(THREE, report_of(THREE, made, {}), made, {})
    assert re.findall(r"<h3>(.*?)</h3>", page) == ["new", "newer"]
    assert len(of_class(pictures(page)[0], "mark")) == 4
    assert "all arms together" in page


def test_names_are_text() -> None:
    hostile = "<b onclick='x'>{{ 7 * 7 }}"
    experiment = replace(EXPERIMENT, arms=(EXPERIMENT.arms[0], Arm(hostile, "on", 0.5)))
    made = [replace(one, arm=hostile) if one.arm == "new" else one for one in BETTER]
    page = as_page(experiment, report_of(experiment, made, {}), made, {})
    check_self_contained(page)
    assert hostile in Reader(page).text
    assert "<b " not in page
