"""The facts of a text that can be compared exactly: telephone numbers, money, times, floors, shares, numbers."""

import re

COUNTS = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    "seventeen|eighteen|nineteen|twenty"
)
TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
WORDS = {word: number for number, word in enumerate(COUNTS.split("|"))} | TENS
ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6}
COUNTED = "|".join(WORDS)
FACT = re.compile(
    rf"""
    (?P<phone>(?<![\w.])(?:\(\d{{3}}\)\ ?|\d{{3}}[-. ])?\d{{3}}[-. ]\d{{4}}(?!\d))
    |\$\ ?(?P<money>\d[\d,]*(?:\.\d+)?)
    |(?P<time>\b\d{{1,2}}(?::\d{{2}})?\ ?[ap]\.?m\b\.?|\b\d{{1,2}}:\d{{2}}\b|\bnoon\b|\bmidnight\b)
    |\bfloors?\ (?P<floor>\d+|{COUNTED})\b
    |\b(?P<storey>\d+(?:st|nd|rd|th)|{"|".join(ORDINALS)})[ ]floor\b
    |(?P<percent>\d+(?:\.\d+)?)\ ?(?:%|percent\b)
    |(?P<number>\d[\d,]*(?:\.\d+)?|\b(?:{COUNTED})\b)
    """,
    re.I | re.X,
)
# "from 10 to 11 a.m." says 10 a.m.
RANGE = re.compile(r"\b(\d{1,2}(?::\d{2})?) ?(to|and|-|–) ?(\d{1,2}(?::\d{2})? ?([ap])\.?m\b)", re.I)
NUMBER = re.compile(rf"\d[\d,]*(?:\.\d+)?|\b(?:{COUNTED}|{'|'.join(ORDINALS)})\b", re.I)
# Hardly ever a fact: "one of the nurses".
LITTLE = {"one", "zero"}


def missing_facts(answer: str, sources: str) -> list[str]:
    """The answer's facts, as it writes them, that the sources do not have."""
    known, numbers = facts(sources), {value(number) for number in NUMBER.findall(sources)}
    return [
        text
        for (kind, fact), text in facts(answer).items()
        if (kind, fact) not in known and not (kind == "number" and (fact in numbers or text.lower() in LITTLE))
    ]


def facts(text: str) -> dict[tuple[str, str], str]:
    """Kind and comparable value of each fact, with how the text writes it."""
    whole = RANGE.sub(r"\1 \4.m. \2 \3", text)
    return {comparable(match): match.group().strip() for match in FACT.finditer(whole)}


def comparable(match: re.Match[str]) -> tuple[str, str]:
    kind = str(match.lastgroup)
    text = match.group(kind).lower()
    if kind == "phone":
        return kind, re.sub(r"\D", "", text)
    if kind == "time":
        return kind, clock(text)
    return ("floor" if kind == "storey" else kind), value(text)


def clock(text: str) -> str:
    """'7 a.m.', '7:00 AM' -> '7:00 a'; noon and midnight are 12."""
    hour = {"noon": "12 p", "midnight": "12 a"}.get(text, text)
    digits = re.findall(r"\d+", hour)
    minutes = digits[1] if len(digits) > 1 else "00"
    return f"{int(digits[0])}:{minutes} {''.join(re.findall('[ap]', hour))}".strip()


def value(text: str) -> str:
    """'1,000', '1000.0' -> '1000'; 'three' and '3rd' -> '3'."""
    word = text.lower()
    number = WORDS.get(word, ORDINALS.get(word))
    if number is not None:
        return str(number)
    # Those of every script: two Arabic numbers are not the same because they have no Latin digit.
    digits = "".join(str(int(one)) if one.isdecimal() else one for one in word if one.isdecimal() or one == ".")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
