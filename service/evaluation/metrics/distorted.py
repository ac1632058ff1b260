"""How a text is said, without what it is about: content words masked, the little words and the marks counted."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from adapters.examples import VERDICT
from ingest.documents import Vectors
from service.evaluation.metrics.sentences import sentences

TOKEN = re.compile(r"[A-Za-z]+(?:['\N{RIGHT SINGLE QUOTATION MARK}][A-Za-z]+)*|\d+(?:[.,:/-]\d+)*|[.,;:!?()\"-]")
CITATION = re.compile(r"\s*\[(?:cite|\d{1,2})\]")
# The points of "8 p.m." end a sentence only where nothing of it follows.
CLOCK = re.compile(r"(?<=\d)\s*[ap](?:\.m\.(?=\s+[a-z(]|[,;:)])|\.m(?=\.)|m\b)")
STOPS = re.compile(r"\.{2,}")
BEGIN, CONTENT, NUMBER = "<s>", "*", "0"
# A closed class of words: who reads only these cannot tell a bill from a birth.
FUNCTION_WORDS = frozenset(
    re.findall(
        r"\S+",
        """
    a an the this that these those some any each every no not none all both either neither one another other such
    same own i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she
    her hers herself it its itself they them their theirs themselves who whom whose which what when where why how
    whether and or but nor so yet if then else because although though while until unless since as than once of in
    on at by for with about against between into through during before after above below to from up down out off
    over under again near within without per am is are was were be been being have has had having do does did doing
    will would shall should can could may might must cannot here there now also only just too very more most less
    least much many few little even still already always never often usually please yes don't doesn't didn't isn't
    aren't wasn't weren't won't wouldn't can't couldn't shouldn't haven't hasn't hadn't i'm i've i'll you're you've
    you'll it's we're we've we'll they're that's there's
    """,
    )
)


def distorted(text: str) -> list[str]:
    """The text's tokens with every content word as * and every number as 0 (Stamatatos 2017, text distortion).

    Citations and a beginning "Yes," or "No," are left out: the one is a part that can be asked for, the other what
    is said. Punctuation and the beginnings of sentences stay. The text's end is no token: how rare it is would tell
    the length.
    """
    said = STOPS.sub(".", CLOCK.sub("", CITATION.sub("", text))).strip()
    parts = ([BEGIN, *map(masked, TOKEN.findall(sentence))] for sentence in sentences(VERDICT.sub("", said)))
    return [token for part in parts for token in part]


def masked(token: str) -> str:
    plain = token.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    if plain in FUNCTION_WORDS:
        return plain
    if token[0].isdigit():
        return NUMBER
    return CONTENT if token[0].isalpha() else token


def pieces(text: str) -> Counter[str]:
    """Tokens and pairs of tokens of the distorted text, with their counts."""
    tokens = distorted(text)
    return Counter(tokens) + Counter(f"{one} {other}" for one, other in pairwise(tokens))


def vocabulary(texts: Sequence[str], fewest: int) -> dict[str, int]:
    """The pieces that at least so many texts have, each with its column."""
    found = Counter(piece for text in texts for piece in pieces(text))
    return {piece: at for at, piece in enumerate(sorted(one for one, count in found.items() if count >= fewest))}


def frequencies(texts: Sequence[str], columns: Mapping[str, int]) -> Vectors:
    """Rows (texts, columns) of length 1, of the roots of the counts, so that a long text is like a short one."""
    counts = np.zeros((len(texts), len(columns)), dtype=np.float32)
    for row, text in zip(counts, texts, strict=True):
        for piece, count in pieces(text).items():
            if piece in columns:
                row[columns[piece]] = count
    roots = np.sqrt(counts)
    return np.asarray(roots / np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), 1e-9), dtype=np.float32)
