import io
import logging
from collections.abc import Iterator

import pytest

from service.guard.redact import redact_logs


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
        log.exception("failed for %s", "555-123-9999", stack_info=True)
    written = stream.getvalue()
    assert "WARNING from [email] at [phone]" in written
    assert "ValueError: [mrn] of [date]" in written
    assert "0099887" not in written
    assert "555-123" not in written, "a stack shows the line that logged it"


def test_what_another_handler_made_of_a_traceback_is_redacted(logger: tuple[logging.Logger, io.StringIO]) -> None:
    log, stream = logger
    log.handlers.insert(0, logging.StreamHandler(io.StringIO()))
    try:
        raise ValueError("MRN 0099887")
    except ValueError:
        log.exception("failed")
    assert "ValueError: [mrn]" in stream.getvalue()
    assert "0099887" not in stream.getvalue()


def test_other_handlers_see_the_record_untouched(logger: tuple[logging.Logger, io.StringIO]) -> None:
    log, _ = logger
    seen: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    log.addHandler(Keeper())
    log.warning("call %s", "555-123-4567")
    assert seen == ["call 555-123-4567"]
