"""What looks like personal data in a text: e-mail addresses, telephone and record numbers, dates, long numbers."""

import re
from collections.abc import Collection

MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
PATTERNS = (
    ("email", r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"),
    ("ssn", r"(?<!\d)\d{3}[- ]\d{2}[- ]\d{4}(?!\d)"),
    ("mrn", r"\b(?:mrn|medical record(?: number| no\.?)?|patient id)(?![a-z])[\s:#=]*[\w-]*\d[\w-]*"),
    ("date", r"(?<!\d)\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)"),
    # Not the end of a network address, nor its beginning.
    ("date", r"(?<!\d)(?<!\d\.)\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(?!\d|\.\d)"),
    ("date", rf"\b{MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}\b|\b\d{{1,2}}\.? {MONTH}\.?,? \d{{4}}\b"),
    ("phone", r"(?<![\w.])(?:\+?\d{1,3}[ .-]?)?(?:\(\d{3}\)|\d{3})[ .-]?\d{3}[ .-]?\d{4}(?!\d)"),
    ("phone", r"(?<![\w.-])\d{3}-\d{4}(?![\w-])"),
    ("phone", r"\+\d[\d ().-]{6,}\d"),
    ("number", r"(?<![0-9A-Za-z])[A-Za-z]{0,3}\d{6,}(?![0-9A-Za-z])"),
)
KINDS = frozenset(kind for kind, _ in PATTERNS)
PERSONAL = re.compile("|".join(f"(?P<{kind}_{i}>{pattern})" for i, (kind, pattern) in enumerate(PATTERNS)), re.I)


def redact(text: str, keep: Collection[str] = ()) -> str:
    """E-mail addresses, telephone and record numbers, dates and long numbers become `[email]`, `[phone]` ...

    Values in `keep` stay as they are.
    """
    return PERSONAL.sub(lambda match: match[0] if match[0] in keep else f"[{kind_of(match)}]", text)


def personal_data(text: str) -> list[tuple[str, str]]:
    """The same, found instead of replaced: kind and value, in the order of the text."""
    return [(kind_of(match), match.group()) for match in PERSONAL.finditer(text)]


def kind_of(match: re.Match[str]) -> str:
    return str(match.lastgroup).split("_")[0]
