"""Logs without personal data: what looks like it is replaced in every record, whoever wrote it."""

import copy
import logging
import re

MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
PATTERNS = (
    ("email", r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"),
    ("ssn", r"(?<!\d)\d{3}[- ]\d{2}[- ]\d{4}(?!\d)"),
    ("mrn", r"\b(?:mrn|medical record(?: number| no\.?)?|patient id)\b[\s:#=]*[\w-]*\d[\w-]*"),
    ("date", r"(?<!\d)\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)"),
    ("date", r"(?<!\d)\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(?!\d|\.\d)"),
    ("date", rf"\b{MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}\b|\b\d{{1,2}}\.? {MONTH}\.?,? \d{{4}}\b"),
    ("phone", r"(?<![\w.])(?:\+?\d{1,3}[ .-]?)?(?:\(\d{3}\)|\d{3})[ .-]?\d{3}[ .-]?\d{4}(?!\d)"),
    ("phone", r"(?<![\w.-])\d{3}-\d{4}(?![\w-])"),
    ("phone", r"\+\d[\d ().-]{6,}\d"),
    ("number", r"(?<![0-9A-Za-z])[A-Za-z]{0,3}\d{6,}(?![0-9A-Za-z])"),
)
PERSONAL = re.compile("|".join(f"(?P<{kind}_{i}>{pattern})" for i, (kind, pattern) in enumerate(PATTERNS)), re.I)


def redact(text: str) -> str:
    """E-mail addresses, telephone and record numbers, dates and long numbers become `[email]`, `[phone]` ..."""
    return PERSONAL.sub(lambda match: f"[{str(match.lastgroup).split('_')[0]}]", text)


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
