import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from markupsafe import escape

from service.experiments.assign import Arm
from service.experiments.preference import FEWEST_ANSWERS, PreferenceReport, preference_of
from service.experiments.preference_page import as_page
from tests.service.evaluation.page_reader import check_self_contained
from tests.service.experiments.small_interleaving import INTERLEAVED, of_each

REPORT = preference_of(INTERLEAVED, of_each(60, 20, 40))


@pytest.fixture(scope="module")
def page() -> str:
    return as_page(INTERLEAVED, REPORT)


def test_it_needs_nothing_but_itself_and_begins_with_the_sentence(page: str) -> None:
    assert page.lstrip().startswith("<!DOCTYPE html>") and ET.fromstring(page).tag == "html"
    check_self_contained(page)
    assert page.index(escape(REPORT.sentence)) < page.index("<h2>")


def test_both_searches_have_their_figures(page: str) -> None:
    for side in REPORT.sides:
        figures = "".join(f"<td>{value}</td>" for value in (side.wins, side.drafted, side.cited))
        assert f'<td>{side.name}</td><td class="text">{side.value}</td>{figures}' in page
    assert f'<td>ties</td><td class="text"></td><td>{REPORT.ties}</td>' in page


def test_the_lead_is_drawn_and_told_in_words(page: str) -> None:
    marks = [one for one in ET.fromstring(page).iter() if one.get("class") == "mark any"]
    assert len(marks) == 1 and float(str(marks[0].get("x1"))) < float(str(marks[0].get("x2")))
    assert REPORT.lead is not None and REPORT.always_valid is not None
    words = f"{REPORT.lead:+.3f}, from {REPORT.always_valid.low:+.3f} to {REPORT.always_valid.high:+.3f}."
    assert f'aria-label="lead of fine, at any look: {words}"' in page


def drawn(report: PreferenceReport) -> bool:
    return "<figure>" in as_page(INTERLEAVED, report)


def test_too_few_answers_have_no_plot() -> None:
    few = preference_of(INTERLEAVED, of_each(2, 1, 0))
    assert not drawn(few) and drawn(REPORT)
    assert f"too few answers for an interval: it takes {FEWEST_ANSWERS}" in as_page(INTERLEAVED, few)


def test_what_settings_say_is_escaped() -> None:
    arms = (INTERLEAVED.arms[0], Arm("<b>", "hospital-fine", 0.5))
    experiment = replace(INTERLEAVED, arms=arms)
    page = as_page(experiment, preference_of(experiment, []))
    assert "&lt;b&gt;" in page and "<b>" not in page
