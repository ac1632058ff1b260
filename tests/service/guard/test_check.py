"""Both steps together, measured on sentences that were never used to write either (docs/log.md has the figures)."""

import json
from pathlib import Path

import pytest
import yaml

from configs.load import HOSPITAL, load_settings
from ingest.build import embedder_of
from ingest.embed import Embedder
from service.guard.check import EmergencyCheck
from service.guard.emergencies import detect
from service.guard.likeness import parts
from tests.service.parts import EXAMPLES, emergencies

MEASURED = yaml.safe_load(Path(__file__).with_name("measured_sentences.yaml").read_text(encoding="utf-8"))
OWN_QUESTIONS = [HOSPITAL.parent / "questions.jsonl", *sorted((HOSPITAL.parent / "style").glob("*.jsonl"))]


@pytest.fixture(scope="module", params=["packaged", "hospital's"])
def check(request: pytest.FixtureRequest, embedder: Embedder) -> EmergencyCheck:
    """With the embedder as it is packaged, and with the adapter that the hospital puts on it."""
    hospital = request.param == "hospital's"
    return emergencies(embedder_of(load_settings(HOSPITAL, {}).settings) if hospital else embedder)


async def rules_of(check: EmergencyCheck, sentences: list[str]) -> list[str | None]:
    handoffs = [await check.handoff(sentence) for sentence in sentences]
    return [handoff.rule if handoff else None for handoff in handoffs]


async def test_emergencies_in_words_that_it_was_not_written_on_are_found(check: EmergencyCheck) -> None:
    expected = [rules.split("|") for rules in MEASURED["emergencies"].values()]
    found = await rules_of(check, list(MEASURED["emergencies"]))
    fitting = [rule in rules for rule, rules in zip(found, expected, strict=True)]
    assert len(expected) >= 260
    assert sum(rule is not None for rule in found) / len(expected) >= 0.82
    assert sum(fitting) / len(expected) >= 0.72


async def test_harmless_questions_that_it_was_not_written_on_are_left_to_the_chatbot(check: EmergencyCheck) -> None:
    found = await rules_of(check, MEASURED["harmless"])
    assert len(found) >= 380
    assert sum(rule is not None for rule in found) / len(found) <= 0.065


async def test_what_is_only_hinted_at_is_found_in_most_cases(check: EmergencyCheck) -> None:
    found, alarms = [await rules_of(check, MEASURED[kind]) for kind in ("later_emergencies", "later_harmless")]
    assert (len(found), len(alarms)) == (225, 270)
    assert sum(rule is not None for rule in found) / len(found) >= 0.7
    assert sum(rule is not None for rule in alarms) / len(alarms) <= 0.095


@pytest.mark.parametrize("nth", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_the_second_step_leaves_the_hospital_s_own_questions_to_the_chatbot(
    check: EmergencyCheck, nth: int
) -> None:
    """Every nth of those that are not among its examples: all of them take minutes."""
    lines = [line for file in OWN_QUESTIONS for line in file.read_text(encoding="utf-8").splitlines()]
    known = {*EXAMPLES.harmless}
    asked = [one for line in lines if (one := json.loads(line)["question"]) not in known]
    # Those of a length beside each other: little is spent on filling up.
    questions = sorted(asked[::nth], key=len)
    alarms: list[str] = []
    for start in range(0, len(questions), 16):
        some = questions[start : start + 16]
        # In one go, and remembered: one at a time they take minutes.
        check.likeness.embedder.embed_queries([part for one in some for part in parts(one)])
        alarms += [one for one in some if check.likeness.handoff(one) and not detect(one, check.rules)]
    assert len(alarms) / len(questions) <= 0.01


async def test_cramps_are_an_emergency_only_where_they_are_those_of_a_birth(check: EmergencyCheck) -> None:
    asked = ["What is Muscle Cramps?", "What are the symptoms of muscle cramps?", "My calf cramps when I run."]
    assert await rules_of(check, asked) == [None] * 3
    cried = ["the cramps come and go every 5 minutes", "belly cramps every four minutes, due next month"]
    assert await rules_of(check, cried) == ["labor"] * 2


async def test_the_first_step_comes_first(check: EmergencyCheck) -> None:
    sentence = "my dad is choking"
    assert await check.handoff(sentence) == detect(sentence, check.rules)


def test_what_measures_was_not_used_to_write_it() -> None:
    written = {*EXAMPLES.emergencies, *EXAMPLES.harmless}
    assert not written & {sentence for sentences in MEASURED.values() for sentence in sentences}
