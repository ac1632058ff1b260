import io
import logging
from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.guard.redact import redact, redact_logs

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


@given(st.sampled_from(["", "patient ", "born "]), personal, st.sampled_from(["", ".", ", 3 rows", ")"]))
def test_nothing_personal_survives(before: str, value: str, after: str) -> None:
    assert value not in redact(before + value + after)


@pytest.mark.parametrize(
    "text",
    [
        "listening on 127.0.0.1:8000",
        "chromadb 1.5.9, python 3.11.8",
        "ingested 207 documents, 1234 chunks in 61.3 s",
        "message 0f8fad5bd9cb469fa16570867728950e answered in 812 ms",
        "GET /chat 200",
        "",
    ],
)
def test_what_a_log_needs_stays(text: str) -> None:
    assert redact(text) == text


@given(st.text())
def test_redacting_twice_is_redacting_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.fixture
def logger() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log = logging.Logger("test")  # of its own, outside the tree
    log.addHandler(handler)
    redact_logs(log)
    redact_logs(log)
    yield log, stream


def test_messages_arguments_and_tracebacks_are_redacted(logger: tuple[logging.Logger, io.StringIO]) -> None:
    log, stream = logger
    log.warning("from %s at %s", "ann@willow.example", "555-123-4567")
    try:
        raise ValueError("MRN 0099887 of 03/14/1957")
    except ValueError:
        log.exception("failed", stack_info=True)
    written = stream.getvalue()
    assert "WARNING from [email] at [phone]" in written
    assert "ValueError: [mrn] of [date]" in written
    assert "0099887" not in written


def test_other_handlers_see_the_record_untouched(logger: tuple[logging.Logger, io.StringIO]) -> None:
    log, _ = logger
    seen: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    log.addHandler(Keeper())
    log.warning("call %s", "555-123-4567")
    assert seen == ["call 555-123-4567"]
