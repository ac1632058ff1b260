"""The judge's part of the report: in JSON, in the terminal and on the page."""

import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from service.evaluation.judge.judgements import Judgement
from service.evaluation.judge.section import MOST, JudgeSection
from service.evaluation.report import Report, report_of
from service.evaluation.report_page import as_page
from service.evaluation.report_terminal import as_terminal
from service.evaluation.store import Run
from tests.service.evaluation.judge.small_judgements import SHA, agreeing, both, judged_by, verdict
from tests.service.evaluation.page_reader import Reader, check_self_contained
from tests.service.evaluation.small_evaluation import planted

HOSTILE = """</dd><script>alert("1")</script><img src=http://example.org/x onerror='x'> & {{ 7 * 7 }} [red]" ' ü"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted(tmp_path_factory.mktemp("section"), {"adapter": 0.4}, questions=30)


@pytest.fixture(scope="module")
def judged(run: Run) -> Run:
    """A judge that sees two of eight answers otherwise in six questions, and could not be used for one answer."""
    apart = [one.id for one in run.questions[:6]]
    turned = {"right": "wrong", "wrong": "right"}
    made: list[Judgement] = []
    for answer in run.answers[:-1]:
        label = verdict(answer)
        off = answer.question in apart and answer.cell.prompt == "off" and answer.cell.adapter == "on"
        made += both(answer, turned[label] if off else label)
    return judged_by(run, [*made, *both(run.answers[-1], None)])


def section_of(run: Run) -> JudgeSection:
    (found,) = report_of(run).judges
    return found


def printed(report: Report) -> str:
    file = io.StringIO()
    Console(file=file, width=260).print(as_terminal(report))
    return file.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())


def test_without_a_judge_nothing_is_said_of_one(run: Run) -> None:
    report = report_of(run)
    assert report.judges == () and report.as_dict()["judges"] == []
    assert "judge's opinion" not in printed(report) and "judge's opinion" not in as_page(report)


def test_a_judge_changes_nothing_else(run: Run, judged: Run) -> None:
    without, with_it = report_of(run).as_dict(), report_of(judged).as_dict()
    assert without | {"judges": with_it["judges"]} == with_it


def test_it_tells_what_was_judged_by_what(judged: Run) -> None:
    found = section_of(judged)
    assert (found.model, found.answered_as, found.prompt, found.prompt_sha256) == (
        "judge-1",
        ("judge-1-0417",),
        "judge@1",
        SHA,
    )
    assert (found.answers, found.replies, found.failed) == (240, 480, {"the reply is not JSON": 2})
    assert (found.tokens.prompt, found.tokens.completion, found.tokens.replies) == (48_000, 4_800, 480)


def test_the_answers_furthest_apart_are_of_different_questions(judged: Run) -> None:
    found = section_of(judged).disagreements
    assert len(found) == MOST
    for one in found:
        assert abs(one.scored - one.judged) == 1
        assert "prompt off" in one.combination and one.verdicts[0] == one.verdicts[1]
    assert section_of(agreeing(judged)).disagreements == ()


def test_json_has_all_of_it_and_no_nan(judged: Run) -> None:
    values = json.loads(json.dumps(report_of(judged).as_dict(), allow_nan=False))
    (judge,) = values["judges"]
    assert judge["compared"][0]["metric"] == "right"
    assert judge["compared"][0]["estimate"]["interval"]["low"] < judge["compared"][0]["estimate"]["value"]
    assert judge["compared"][2]["estimate"] | {"groups": 0} == {
        "measure": "Cohen's kappa",
        "value": None,
        "interval": None,
        "answers": 0,
        "groups": 0,
        "missing": "no answer has both",
    }
    assert [layer["name"] for layer in judge["layers"]] == ["prompt", "retrieval", "adapter"]
    assert "good second opinion" in judge["trust"]


def test_every_form_has_every_part(judged: Run) -> None:
    report = report_of(judged)
    (judge,) = report.judges
    page = as_page(report)
    for text in (flat(printed(report)), flat(Reader(page).text)):
        for words in (
            flat(judge.trust),
            SHA[:12],
            "Kendall's tau-b",
            "Cohen's kappa",
            "mostly right",
            "likes length",
        ):
            assert words in text, words
        assert "it calls itself judge-1-0417" in text and "2 could not be used: the reply is not JSON" in text
        assert "nan" not in text.lower().split()
    ET.fromstring(page)
    check_self_contained(page)


def test_each_judge_has_its_own_part(judged: Run) -> None:
    other = [one.model_copy(update={"model": "judge-2"}) for one in judged.judgements[:40]]
    report = report_of(judged_by(judged, [*judged.judgements, *other]))
    assert [judge.model for judge in report.judges] == ["judge-1", "judge-2"]
    assert as_page(report).count("A judge's opinion: ") == as_page(report).count("judge-2</h2>") + 1 == 2


def test_a_judge_with_hardly_any_judgement_is_a_page_too(run: Run) -> None:
    first, second = both(run.answers[0], "right")
    for some in ([first], [first, second], list(both(run.answers[0], None))):
        report = report_of(judged_by(run, some))
        ET.fromstring(as_page(report))
        json.dumps(report.as_dict(), allow_nan=False)
        assert "Do not use this judge" in printed(report)


def test_text_is_text(judged: Run) -> None:
    """What an endpoint, a question or an answer says never becomes markup."""
    made = [one.model_copy(update={"model": HOSTILE, "answered_as": f"{HOSTILE}2"}) for one in judged.judgements]
    questions = tuple(one.model_copy(update={"question": HOSTILE, "answer": HOSTILE}) for one in judged.questions)
    hostile = report_of(replace(judged, questions=questions, judgements=tuple(made)))
    page = as_page(hostile)
    ET.fromstring(page)
    check_self_contained(page)
    assert Reader(page).text.count(HOSTILE) >= 2 * MOST + 3
    assert "<script" not in page and "{{ 7 * 7 }}" in Reader(page).text
    assert "{{ 7 * 7 }} [red]" in printed(hostile)


def test_where_it_goes_on_the_page(judged: Run, tmp_path: Path) -> None:
    page = as_page(report_of(judged))
    assert page.index("<h2>Decisions</h2>") < page.index("A judge's opinion") < page.index("<h2>Limits</h2>")
