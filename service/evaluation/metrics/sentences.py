"""Where sentences end in an answer: a citation after the full stop still belongs to the sentence before it."""

import re

CITED = re.compile(r"\[(\d{1,2})\]")
LIST_MARK = re.compile(r"^[ \t]*(?:[-*\N{BULLET}]|\d{1,2}[.)])[ \t]+", re.MULTILINE)
CLOCK = re.compile(r"\b([ap])\.m\.(?=\s+(?:[^A-Z\s\[]|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day))")
TITLE = re.compile(r"\b(Dr|Mr|Mrs|Ms|St|No|vs|e\.g|i\.e)\.(?=\s)")
END = re.compile(r"""([.!?]["')\]]*(?:\s*\[\d{1,2}\][.!?]?)*)\s+(?=["'(]?[A-Z])""")


def sentences(text: str) -> list[str]:
    """English sentences and list items, citations kept; the points of "8 p.m." and "Dr." inside one are removed."""
    plain = TITLE.sub(r"\1", CLOCK.sub(r"\1m", LIST_MARK.sub("", text)))
    parts = (part.strip() for part in END.sub(r"\1\n", plain).splitlines())
    return [part for part in parts if any(letter.isalnum() for letter in CITED.sub("", part))]
