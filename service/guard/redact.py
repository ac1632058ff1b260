"""Logs without personal data: what looks like it is replaced in every record, whoever wrote it."""

import copy
import logging

from ingest.personal import redact


class RedactingFormatter(logging.Formatter):
    """Formats as `inner` does, after the message, the traceback and the stack were redacted; not the time."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self.inner = inner

    def format(self, record: logging.LogRecord) -> str:
        clean = copy.copy(record)
        clean.msg, clean.args = redact(record.getMessage()), None
        if record.exc_info:
            clean.exc_text = redact(self.inner.formatException(record.exc_info))
        if record.stack_info:
            clean.stack_info = redact(record.stack_info)
        return self.inner.format(clean)


def redact_logs(logger: logging.Logger) -> None:
    """Make every handler of the logger redact; doing it twice changes nothing more."""
    for handler in logger.handlers:
        if not isinstance(handler.formatter, RedactingFormatter):
            handler.setFormatter(RedactingFormatter(handler.formatter or logging.Formatter()))
