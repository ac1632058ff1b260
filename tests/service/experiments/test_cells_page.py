import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from service.experiments.assign import Arm
from service.experiments.cells import cells_of
from service.experiments.cells_page import as_page
from service.experiments.interactions import Interaction
from service.experiments.main_effects import MainEffect
from service.outcomes import ExposedOutcome
from tests.service.evaluation.page_reader import Reader, check_self_contained
from tests.service.experiments.small_experiment import crossed_experiments, crossed_study
from tests.service.experiments.test_cells import ADDS_UP, without

EXPERIMENTS = crossed_experiments()
STUDY = crossed_study(200, {**ADDS_UP, ("short", "new"): 0.95})


def page_of(made: dict[str, list[ExposedOutcome]]) -> str:
    return as_page(EXPERIMENTS, cells_of(EXPERIMENTS, made))


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(STUDY)


def of_class(page: str, name: str) -> list[ET.Element]:
    return [one for one in ET.fromstring(page).iter() if name in str(one.get("class")).split()]


def test_it_needs_nothing_but_itself(page: str) -> None:
    assert page.lstrip().startswith("<!DOCTYPE html>")
    assert ET.fromstring(page).tag == "html"
    check_self_contained(page)
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_the_sentence_comes_first(page: str) -> None:
    assert page.index("The adapter&#39;s effect depends on the prompt: it is larger with short") < page.index(
        "<h2>"
    )


def test_every_combination_is_in_the_table_with_its_figures(page: str) -> None:
    table = page.split("<table>")[1].split("</table>")[0]
    for cell in cells_of(EXPERIMENTS, STUDY).cells:
        assert cell.rating is not None and cell.always_valid is not None
        arms = "".join(f'<td class="name">{arm}</td>' for arm in cell.arms)
        interval = f"{cell.always_valid.low:+.3f} to {cell.always_valid.high:+.3f}"
        sizes = "<td>200</td>" * 3
        assert f"{arms}{sizes}<td>{cell.rating:.3f}</td><td>{interval}</td>" in table


def test_the_forest_has_both_intervals_of_each_effect_and_tells_them_in_words(page: str) -> None:
    marks = of_class(page, "mark")
    assert [one.get("class") for one in marks] == ["mark any", "mark one"] * 3
    for any_look, one_look in zip(marks[::2], marks[1::2], strict=True):
        ends = [(float(str(one.get("x1"))), float(str(one.get("x2")))) for one in (any_look, one_look)]
        assert 0 < ends[0][0] < ends[1][0] < ends[1][1] < ends[0][1] < 400
    [picture] = ET.fromstring(page).iter("svg")
    report = cells_of(EXPERIMENTS, STUDY)
    effects: list[MainEffect | Interaction] = [*report.main_effects, *report.interactions]
    for one in effects:
        assert one.difference and one.always_valid
        told = f"{one.difference:+.3f}, from {one.always_valid.low:+.3f} to {one.always_valid.high:+.3f}."
        assert told in str(picture.get("aria-label"))


def test_its_limits_are_sentences_at_the_end(page: str) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings[-1] == "Limits"
    assert "Two combinations whose intervals are apart" in page.split("<h2>Limits</h2>")[1]


def test_sizes_that_do_not_fit_are_an_alarm_in_place_of_every_sentence() -> None:
    page = page_of(without(STUDY, "short-new"))
    assert [one.text for one in of_class(page, "lead")] == [
        "Believe nothing of what the layers do, or of how they depend on each other: "
        "the cells' sizes do not fit their shares."
    ]


def test_one_seed_is_named() -> None:
    report = replace(cells_of(EXPERIMENTS, STUDY), same_seed=("june", "spring"))
    assert "One seed for june, spring" in as_page(EXPERIMENTS, report)


@pytest.mark.parametrize("users", [0, 7])
def test_before_there_is_enough_it_is_a_page_too(users: int) -> None:
    page = page_of(crossed_study(users, ADDS_UP))
    assert "Nobody can tell yet whether" in page
    assert not of_class(page, "mark")
    assert "nan" not in Reader(page).text.lower().split()


def test_names_are_text() -> None:
    hostile = "<b onclick='x'>{{ 7 * 7 }}"
    named = replace(EXPERIMENTS[1], arms=(EXPERIMENTS[1].arms[0], Arm(hostile, "on", 0.5)))
    made = {key: [replace(one, arm=hostile) if one.arm == "new" else one for one in STUDY[key]] for key in STUDY}
    experiments = [EXPERIMENTS[0], named]
    page = as_page(experiments, cells_of(experiments, made))
    check_self_contained(page)
    assert hostile in Reader(page).text
    assert "<b " not in page
