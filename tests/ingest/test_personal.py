import calendar
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.personal import personal_data, redact

DIGITS = "0123456789"


def digits_of(size: int) -> st.SearchStrategy[str]:
    return st.text(DIGITS, min_size=size, max_size=size)


emails = st.from_regex(r"[a-z]{1,8}\.?[a-z0-9]{1,8}@[a-z]{2,8}\.(com|org|example)", fullmatch=True)
ssns = st.builds("{}-{}-{}".format, digits_of(3), digits_of(2), digits_of(4))
phones = st.one_of(
    st.builds("({}) {}-{}".format, digits_of(3), digits_of(3), digits_of(4)),
    st.builds("{}-{}-{}".format, digits_of(3), digits_of(3), digits_of(4)),
    st.builds("+1 {} {} {}".format, digits_of(3), digits_of(3), digits_of(4)),
    st.builds("{}-{}".format, digits_of(3), digits_of(4)),
)
records = st.builds("MRN: {}{}".format, st.sampled_from(["", "A", "WG"]), digits_of(5))
long_numbers = st.text(DIGITS, min_size=6, max_size=20)
dates = st.dates(min_value=date(1900, 1, 1)).flatmap(
    lambda day: st.sampled_from([day.isoformat(), f"{day:%m/%d/%Y}", f"{day:%B} {day.day}, {day:%Y}"])
)
personal = st.one_of(emails, ssns, phones, records, long_numbers, dates)


@settings(deadline=None)
@given(st.sampled_from(["", "patient ", "born "]), personal, st.sampled_from(["", ".", ", 3 rows", ")"]))
def test_nothing_personal_survives(before: str, value: str, after: str) -> None:
    assert value not in redact(before + value + after)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "Ann.Lee+ward%7@mail.willow.example"),
        ("ssn", "078 05 1120"),
        ("mrn", "mrn#=WG-77-A"),
        ("mrn", "Medical record number 77"),
        ("mrn", "medical record no. 77"),
        ("mrn", "Medical Record No.: 77"),
        ("mrn", "MRN12345"),
        ("mrn", "Patient ID 5-B"),
        ("date", "1957/3/4"),
        ("date", "1957.03.14"),
        ("date", "14.03.1957"),
        ("date", "3/4/57"),
        ("date", "March 3rd, 1957"),
        ("date", "Sept. 3 1957"),
        ("date", "14 March 1957"),
        ("date", "14. Dec., 1957"),
        ("phone", "+1 (555) 123-4567"),
        ("phone", "1-555-123-4567"),
        ("phone", "(555) 123-4567"),
        ("phone", "555.123.4567"),
        ("phone", "+49 (89) 12.34-56"),
        ("number", "AB123456"),
    ],
)
def test_each_way_to_write_it_is_known_whole(kind: str, value: str) -> None:
    assert personal_data(f"Seen {value}; called.") == [(kind, value)]


@pytest.mark.parametrize("month", calendar.month_abbr[1:])
def test_a_date_in_any_month_is_known(month: str) -> None:
    assert redact(f"born {month} 3, 1957") == "born [date]"


@pytest.mark.parametrize(
    "text",
    [
        "listening on 127.0.0.1:8000",
        "a client at 172.18.0.12 went away",
        "peer 10.20.30.4",
        "mRNA-1273",
        "chromadb 1.5.9, python 3.11.8",
        "ingested 207 documents, 1234 chunks in 61.3 s",
        "message 0f8fad5bd9cb469fa16570867728950e answered in 812 ms",
        "GET /chat 200",
        "",
    ],
)
def test_what_a_log_needs_stays(text: str) -> None:
    assert redact(text) == text


@settings(deadline=None)
@given(st.text())
def test_redacting_twice_is_redacting_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@settings(deadline=None)
@given(personal)
def test_what_is_redacted_is_found(value: str) -> None:
    text = f"Reach Ann at {value}."
    found = personal_data(text)
    assert found
    assert redact(text) == redact_each(text, found)


def redact_each(text: str, found: list[tuple[str, str]]) -> str:
    for kind, value in found:
        text = text.replace(value, f"[{kind}]", 1)
    return text


def test_kinds_and_values_are_told_in_the_order_of_the_text() -> None:
    text = "Call 555-0100 or write to ann@willow.example before 2026-01-31."
    assert personal_data(text) == [("phone", "555-0100"), ("email", "ann@willow.example"), ("date", "2026-01-31")]


def test_what_is_public_anyway_may_stay() -> None:
    text = "Call 555-0100, not 555-0199."
    assert redact(text, keep={"555-0100"}) == "Call 555-0100, not [phone]."
    assert redact(text, keep={"555-01"}) == "Call [phone], not [phone]."
