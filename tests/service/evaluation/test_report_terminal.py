import io
from pathlib import Path

from rich.console import Console, RenderableType

from service.evaluation.compare import compare, margins_of
from service.evaluation.report import report_of
from service.evaluation.report_terminal import as_terminal, comparison_as_terminal
from tests.service.evaluation.small_evaluation import planted


def printed(form: RenderableType) -> str:
    file = io.StringIO()
    Console(file=file, width=220).print(form)
    return file.getvalue()


def test_the_sentence_comes_first_and_every_part_follows(tmp_path: Path) -> None:
    report = report_of(planted(tmp_path, {"adapter": 0.4}, questions=40))
    text = printed(as_terminal(report))
    assert text.startswith(report.sentence)
    parts = (
        "Change of right answers",
        "Guardrails",
        "Combinations",
        "style likeness",
        "Cost of an answer",
        "By type of question",
    )
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)
    assert all(layer.decision.sentence in text for layer in report.layers)
    assert all(limit in text for limit in report.limits)


def test_square_brackets_are_no_markup(tmp_path: Path) -> None:
    types = {"[red]visiting[/red]": ["visiting"]}
    report = report_of(planted(tmp_path, {}, questions=25, types=types))
    assert "[red]visiting[/red]" in printed(as_terminal(report))


def test_a_comparison_names_what_got_worse(tmp_path: Path) -> None:
    good = planted(tmp_path / "good", {"adapter": 0.4}, questions=40)
    bad = planted(tmp_path / "bad", {}, questions=40)
    text = printed(comparison_as_terminal(compare(good, bad, margins_of(bad))))
    lines = [line for line in text.splitlines() if "REGRESSED" in line]
    assert len(lines) == 2 and "right answers" in lines[0]
    assert "prompt on, retrieval on, adapter on" in lines[1] and "right answers" in lines[1]
    assert "prompt on, retrieval on, adapter on" in text


def test_an_interval_of_no_width_is_not_shown(tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=3)
    text = printed(comparison_as_terminal(compare(run, run, margins_of(run))))
    assert "-100.0 to +100.0" in text and "+0.0 to" not in text and "all changed alike" in text
