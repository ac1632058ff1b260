import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from configs.load import HOSPITAL
from service.guard.emergencies import EmergencyRulesError, Handoff, detect, load_rules, one_slip

RULES_FILE = HOSPITAL.parent / "emergencies.yaml"
QUESTIONS = HOSPITAL.parent / "questions.jsonl"
RULES = load_rules(RULES_FILE)
WORDS = [
    "my",
    "chest",
    "hurts",
    "park",
    "stroke",
    "ward",
    "not",
    "breathing",
    ".",
    "last year",
    "blood",
    "[9]",
    "é",
]


TABLE = yaml.safe_load(Path(__file__).with_name("emergency_sentences.yaml").read_text(encoding="utf-8"))
EMERGENCIES = [*TABLE["emergencies"], *TABLE["more_emergencies"]]


@pytest.mark.parametrize(("sentence", "rules"), TABLE["emergencies"].items())
def test_an_emergency_gets_a_fitting_hand_off(sentence: str, rules: str) -> None:
    handoff = detect(sentence, RULES)
    assert handoff is not None
    assert handoff.rule in rules.split("|")


@pytest.mark.parametrize("sentence", TABLE["more_emergencies"])
def test_an_emergency_in_other_words_is_handed_off(sentence: str) -> None:
    assert detect(sentence, RULES) is not None


@pytest.mark.parametrize("sentence", TABLE["everyday"])
def test_an_everyday_question_is_not_handed_off(sentence: str) -> None:
    assert detect(sentence, RULES) is None


@pytest.mark.parametrize("sentence", EMERGENCIES)
def test_questions_around_an_emergency_do_not_hide_it(sentence: str) -> None:
    assert detect(f"Where do I park? {sentence}. My father had a bill last year.", RULES) is not None


@pytest.mark.parametrize("sentence", EMERGENCIES)
def test_shouting_and_typography_do_not_hide_it(sentence: str) -> None:
    assert detect(f"  {sentence.upper().replace(chr(39), chr(8217))}!!!\n", RULES) is not None


@pytest.mark.parametrize("end", ["\n", "\r\n", " \n  "])
@pytest.mark.parametrize("sentence", EMERGENCIES)
def test_the_end_of_a_line_does_not_hide_it(sentence: str, end: str) -> None:
    words = sentence.split(" ")
    broken = [" ".join(words[:place]) + end + " ".join(words[place:]) for place in range(1, len(words))]
    assert all(detect(f"Good morning,\n\n{text}\n\nWhere do I park?", RULES) for text in broken)


def test_a_line_of_its_own_is_a_sentence_of_its_own() -> None:
    assert detect("My father had a stroke last year\nhe has chest pain\nwhere do we park", RULES) is not None


def test_the_tables_are_large_enough_to_mean_something() -> None:
    assert len(EMERGENCIES) >= 60
    assert len(TABLE["everyday"]) >= 60
    assert not set(EMERGENCIES) & set(TABLE["everyday"])


def test_every_rule_is_met_by_some_sentence() -> None:
    met = {handoff.rule for sentence in EMERGENCIES if (handoff := detect(sentence, RULES))}
    assert {rule.handoff.rule for rule in RULES.rules} == met


@pytest.mark.parametrize("rule", [rule.handoff for rule in RULES.rules], ids=lambda handoff: handoff.rule)
def test_every_text_names_a_number_to_call_and_stays_short(rule: Handoff) -> None:
    assert "911" in rule.text
    assert len(rule.text.split()) <= 80


def test_the_texts_name_the_right_lines() -> None:
    texts = {rule.handoff.rule: rule.handoff.text for rule in RULES.rules}
    assert "988" in texts["suicide"]
    assert "988" in texts["spanish"]
    assert "1-800-222-1222" in texts["poisoning"]
    assert "911" in texts["poisoning"].split("Poison Control")[0]


@pytest.mark.skipif(not QUESTIONS.is_file(), reason="the hospital pack has no questions yet")
def test_the_hospital_s_own_questions_are_answered_by_the_product() -> None:
    questions = [json.loads(line)["question"] for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    assert [question for question in questions if detect(question, RULES)] == []


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=60).map(" ".join))
def test_any_text_is_judged_and_always_the_same_way(text: str) -> None:
    assert detect(text, RULES) == detect(text, RULES)


@given(st.text(max_size=200))
def test_a_plain_cry_for_help_is_found_after_any_text(text: str) -> None:
    assert detect(f"{text}. My father is not breathing.", RULES) is not None


@pytest.mark.parametrize(
    ("written", "meant", "near"),
    [
        ("siezure", "seizure", True),
        ("seizur", "seizure", True),
        ("seizuree", "seizure", True),
        ("saizure", "seizure", True),
        ("seizure", "seizure", True),
        ("sizzure", "seizure", False),
        ("size", "seizure", False),
    ],
)
def test_one_slip_of_the_fingers(written: str, meant: str, near: bool) -> None:
    assert one_slip(written, meant) is near


def written(folder: Path, **changes: object) -> Path:
    content = {
        "handoffs": {"call": "Call 911."},
        "words": {"who": ["he", "she"]},
        **{key: [] for key in ("keywords", "lookalikes", "names", "past", "now", "topics")},
        "spelling": {},
        "rules": [{"name": "fall", "handoff": "call", "signs": ["<who> ... fell"]}],
        **changes,
    }
    path = folder / "emergencies.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_a_small_file_of_one_s_own(tmp_path: Path) -> None:
    rules = load_rules(written(tmp_path))
    handoff = detect("I think she just now fell", rules)
    assert handoff is not None and handoff.text == "Call 911."
    assert detect("it fell", rules) is None


@pytest.mark.parametrize(
    ("phrase", "question"),
    [
        ("überdosis", "Sie hat eine ÜBERDOSIS genommen"),
        ("großer blutverlust", "GROSSER Blutverlust am Bein"),
        ("Großer Blutverlust", "großer blutverlust"),
        ("отравление", "У меня Отравление!"),
        ("تسمم", "ابني عنده تسمّم"),
        ("can't wake him", "I can’t wake him"),
        ("Call an ambulance", "call an ambulance"),
        ("fell … hard", "she fell and hit her head hard"),
        ("[А-Я]+ия", "паническая анафилаксия"),
        (r"\d+ [Ss]tunden (?:Läuft|lief)", "seit 3 stunden läuft Blut"),
    ],
)
def test_a_phrase_in_any_script_and_case_is_met(tmp_path: Path, phrase: str, question: str) -> None:
    rules = load_rules(written(tmp_path, rules=[{"name": "fall", "handoff": "call", "signs": [phrase]}]))
    assert detect(question, rules) is not None


def test_the_other_lists_are_compared_in_the_same_form(tmp_path: Path) -> None:
    signs = [{"name": "fall", "handoff": "call", "signs": ["kann nicht atmen", "vergiftung", "verbrühung"]}]
    spelling, keywords = {"Kann nicht": ["kann's nicht"]}, ["Verbrühung", "Vergiftung"]
    rules = load_rules(
        written(tmp_path, rules=signs, spelling=spelling, keywords=keywords, lookalikes=["Vergüftung"])
    )
    assert detect("Er kann’s nicht atmen", rules) is not None
    assert detect("eine Verbrüühung", rules) is not None
    assert detect("eine Vergüftung", rules) is None


@pytest.mark.parametrize("sentence", EMERGENCIES[::9])
def test_letters_of_another_script_hide_nothing(sentence: str) -> None:
    assert detect(f"胸痛{sentence}請", RULES) == detect(sentence, RULES)
    assert detect(sentence.replace(" ", " ø "), RULES) == detect(sentence, RULES)


def test_a_letter_that_only_looks_like_one_hides_nothing() -> None:
    assert detect("He has a s\N{CYRILLIC SMALL LETTER IE}izure", RULES) is not None


@pytest.mark.parametrize("place", ["names", "past", "now", "topics"])
def test_a_phrase_that_could_never_be_met_is_refused_in_every_list(tmp_path: Path, place: str) -> None:
    with pytest.raises(EmergencyRulesError, match="'self-harm' can never be met: '-' stands in no question"):
        load_rules(written(tmp_path, **{place: ["self-harm"]}))


@pytest.mark.parametrize(
    "phrase", ["x-?ray", "labor (and|&|n) delivery", "[a-z]+ fell", r"(?<!he )fell\b", "a{1,3} fell"]
)
def test_a_phrase_that_may_be_met_is_taken(tmp_path: Path, phrase: str) -> None:
    assert phrase in load_rules(written(tmp_path, names=[phrase])).names.pattern


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rules": []}, "used: rules: List should have at least 1 item[^\n]*$"),
        ({"rules": [{"name": "fall", "handoff": "call"}]}, "neither signs nor mentions"),
        ({"rules": [{"name": "fall", "handoff": "nobody", "signs": ["fell"]}]}, "known are call"),
        ({"rules": [{"name": "fall", "handoff": "call", "signs": ["(fell"]}]}, "not a regular expression"),
        ({"rules": [{"name": "fall", "handoff": "call", "signs": ["fell|"]}]}, "matches the empty text"),
        ({"rules": [{"name": "fall", "handoff": "call", "signs": ["<nobody> fell"]}]}, "no list <nobody>"),
        ({"sings": []}, "sings"),
        (
            {"rules": [{"name": "fall", "handoff": "call", "signs": ["not breathing!"]}]},
            "'not breathing!' can never",
        ),
        ({"words": {"who": ["x_y"]}}, "can never be met: '_'"),
        ({"keywords": ["!?"]}, "'!\\?' holds no letter"),
        ({"lookalikes": ["-"]}, "'-' holds no letter"),
        ({"spelling": {"fell": ["..."]}}, "'...' holds no letter"),
    ],
)
def test_a_faulty_file_is_refused_by_name(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(EmergencyRulesError, match=told) as error:
        load_rules(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmergencyRulesError, match="cannot be used"):
        load_rules(tmp_path / "none.yaml")
