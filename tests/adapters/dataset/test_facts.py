import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.dataset.facts import COUNTS, clock, facts, missing_facts, value

PASSAGE = (
    "The billing office on floor 4 is open from 8 to 11:30 a.m. and until noon on Fridays. Parking costs $12.50 "
    "a day, for up to three days, and 20% less with a permit. Call 555-0160."
)


@pytest.mark.parametrize(
    "answer",
    [
        "It is open from 8 a.m. to 11:30 am, on the fourth floor.",
        "On Fridays it closes at 12 p.m.",
        "You pay $12.5 a day for 3 days, 20 percent less with a permit.",
        "Call (555-0160). Ask one of the clerks.",
        "Open 8 to 11:30 AM.",
        "It is on the 4th floor.",
    ],
)
def test_the_same_fact_in_other_words_is_there(answer: str) -> None:
    assert missing_facts(answer, PASSAGE) == []


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        ("It is open from 9 a.m.", ["9 a.m."]),
        ("It closes at 8 p.m.", ["8 p.m."]),
        ("Go to floor 3.", ["floor 3"]),
        ("Go to the second floor.", ["second floor"]),
        ("You pay $12 a day.", ["$12"]),
        ("You pay 30% less.", ["30%"]),
        ("Call 555-0161.", ["555-0161"]),
        ("For up to seven days, call 555-0160.", ["seven"]),
        ("It holds 1,500 cars.", ["1,500"]),
    ],
)
def test_another_fact_is_missing(answer: str, missing: list[str]) -> None:
    assert missing_facts(answer, PASSAGE) == missing


@given(st.integers(0, 20))
def test_a_number_is_the_same_as_its_word(number: int) -> None:
    word = COUNTS.split("|")[number]
    assert value(word) == value(str(number)) == str(number)


@given(st.integers(1, 12), st.integers(0, 59), st.sampled_from("ap"))
def test_a_time_is_the_same_however_it_is_written(hour: int, minute: int, half: str) -> None:
    forms = [f"{hour}:{minute:02} {half}.m.", f"{hour}:{minute:02}{half.upper()}M"]
    assert {clock(form.lower()) for form in forms} == {f"{hour}:{minute:02} {half}"}
    assert [kind for kind, _ in facts(forms[0])] == ["time"]


@given(st.text("0123456789 .,:$%apm-floor", max_size=40))
def test_a_text_has_its_own_facts(text: str) -> None:
    assert missing_facts(text, text) == []


def test_digits_of_another_script_are_compared_too() -> None:
    assert missing_facts("يكلف ٩ دولارات", "يكلف ٣ دولارات") == ["٩"]
    assert missing_facts("يكلف ٩ دولارات", "It costs 9 dollars") == []
