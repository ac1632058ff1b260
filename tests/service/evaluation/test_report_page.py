import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from service.evaluation.report import Report, report_of
from service.evaluation.report_page import as_page
from tests.service.evaluation.page_reader import Reader, check_self_contained
from tests.service.evaluation.small_evaluation import planted

HOSTILE = """</dd><script>alert("1")</script><img src=http://example.org/x onerror='x'> & {{ 7 * 7 }} " ' ü"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    run = planted(tmp_path_factory.mktemp("page"), {"adapter": 0.4, "prompt": -0.1}, questions=60, name=HOSTILE)
    answers = tuple(answer.model_copy(update={"text": f"{answer.text} {HOSTILE}"}) for answer in run.answers)
    questions = tuple(one.model_copy(update={"question": HOSTILE, "answer": HOSTILE}) for one in run.questions)
    return report_of(replace(run, answers=answers, questions=questions))


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return as_page(report)


def test_it_is_well_formed(page: str) -> None:
    assert page.startswith("<!DOCTYPE html>")
    root = ET.fromstring(page)
    assert root.tag == "html"
    assert next(heading.text for heading in root.iter("h2")) == "Decisions"


def test_it_loads_nothing_and_runs_nothing(page: str) -> None:
    check_self_contained(page)


def test_text_is_text(page: str, report: Report) -> None:
    read = Reader(page)
    assert report.examples
    assert read.text.count(HOSTILE) >= 3 * len(report.examples)
    assert "<b>" not in page
    assert "49" not in re.findall(r"& (\d\d) ", read.text), "an answer is no template"


def test_the_sentence_comes_first(page: str, report: Report) -> None:
    assert page.index(report.sentence) < page.index("<h2>")


def test_every_part_is_there(page: str) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    for words in ("Decisions", "Effects", "use its sources less", "combinations", "costs", "type", "Limits"):
        assert any(words in heading for heading in headings), words
    assert "<th>on style</th><th>style likeness</th>" in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_the_forest_has_a_mark_for_every_effect(page: str, report: Report) -> None:
    svg = ET.fromstring(page).find(".//svg")
    assert svg is not None
    marks = [line for line in svg.iter("line") if line.get("class") == "mark"]
    assert len(marks) == len(list(svg.iter("circle"))) == len(report.layers) + len(report.interactions)
    for mark, dot in zip(marks, svg.iter("circle"), strict=True):
        left, at, right = (float(str(place)) for place in (mark.get("x1"), dot.get("cx"), mark.get("x2")))
        assert 20 <= left <= at <= right <= 380


def test_a_report_without_intervals_is_a_page_too(tmp_path: Path) -> None:
    page = as_page(report_of(planted(tmp_path, {}, questions=1)))
    ET.fromstring(page)
    assert "<svg" not in page
    assert "nan" not in Reader(page).text.lower().split()
