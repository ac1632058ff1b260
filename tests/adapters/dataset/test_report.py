import json

import pytest
from rich.console import Console

from adapters.dataset.entries import Finding
from adapters.dataset.report import ALLOWED, SHOWN, DatasetRefused, Report, as_page, as_values, insist, verdict

PLACES = tuple(f"x:{number}" for number in range(200))


def report(*kinds: str) -> Report:
    findings = tuple(Finding(kind, place, f"[b]{kind}[/b]") for kind, place in zip(kinds, PLACES, strict=False))
    return Report(PLACES, findings, {"answers": 200})


def printed(one: Report) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(as_page(one))
    return capture.get()


@pytest.mark.parametrize("kind", ALLOWED)
def test_a_hard_finding_fails_above_its_share_only(kind: str) -> None:
    allowed = int(ALLOWED[kind] * len(PLACES))
    assert report(*[kind] * allowed).passed
    assert report(*[kind] * (allowed + 1)).failures == [kind]


def test_an_example_with_two_findings_of_a_kind_counts_once() -> None:
    twice = Report(PLACES, (Finding("too-long", "x:1", "a"), Finding("too-long", "x:1", "b")), {})
    assert twice.counts == {"too-long": 1}
    assert twice.good == len(PLACES) - 1


def test_good_examples_may_have_remarks_and_unread_lines_are_no_examples() -> None:
    mixed = report("no-next-step", "near-duplicate", "duplicate", "balance")
    assert mixed.good == 198
    unread = Report(PLACES[:2], (Finding("shape", "x:9", "no example"),), {})
    assert unread.good == 2


@pytest.mark.parametrize("spoilt", ["x", "other"])
def test_good_examples_do_not_make_up_for_those_about_other_pages_nor_the_other_way(spoilt: str) -> None:
    few, many = (tuple(f"{name}:{number}" for number in range(size)) for name, size in ((spoilt, 100), ("y", 900)))
    findings = tuple(Finding("facts", place, "not in its passage") for place in few[:3])
    places, others = (few, many) if spoilt == "x" else (many, few)
    assert Report(places, findings, {}, others=others).failures == ["facts"]
    assert Report(places, findings[:2], {}, others=others).passed


def test_no_examples_at_all_do_not_pass() -> None:
    assert not Report((), (), {}).passed
    with pytest.raises(DatasetRefused, match="there are none"):
        insist(Report((), (), {}), "recipe.yaml")


def test_a_refusal_names_the_first_place_of_each_kind() -> None:
    with pytest.raises(DatasetRefused, match=r"1 empty, first x:2: .*; 2 leak, first x:0: "):
        insist(report("leak", "leak", "empty"), "recipe.yaml")
    insist(report("no-citation"), "recipe.yaml")


@pytest.mark.parametrize(
    ("good", "beginning"), [(0, "No"), (499, "No"), (500, "Yes:"), (1000, "Yes:"), (1001, "Yes, and more")]
)
def test_the_question_is_answered(good: int, beginning: str) -> None:
    assert verdict(good).startswith(beginning)
    assert f"{good:,}".replace(",", "") in verdict(good)


def test_a_person_sees_places_messages_as_they_are_and_the_verdict() -> None:
    page = printed(report(*["leak"] * (SHOWN + 2)))
    assert "x:0" in page
    assert "[b]leak[/b]" in page
    assert "2 more" in page
    assert "The check fails." in page
    assert "No: 188 good examples" in page


def test_a_machine_gets_everything() -> None:
    values = json.loads(json.dumps(as_values(report("leak", "no-citation"))))
    assert (values["passed"], values["failures"], values["examples"], values["good"]) == (False, ["leak"], 200, 198)
    assert values["findings"][0] == {"kind": "leak", "place": "x:0", "message": "[b]leak[/b]"}
