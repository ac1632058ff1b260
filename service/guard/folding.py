"""How the emergency rules compare: questions as words, and the rules' own phrases folded in the same way."""

import re
import unicodedata

APOSTROPHES = "'’‘`´ʼ"
OTHER_LETTER = re.compile(r"[^\W_a-z0-9]")
DRAWN_OUT = re.compile(r"([^\W\d_])\1{2,}")
BETWEEN_LETTERS = re.compile(rf"(?<=\w)[{APOSTROPHES}](?=\w)")
# The pieces of a regular expression: what stays as it is (an escape, the head of a group, a repetition), a set of
# letters, and plain text.
PIECES = re.compile(
    r"(?P<kept>\\.|\(\?(?:P?<\w+>|P=\w+|[a-z]*[:=!<-]*)|\{[\d,]+\})"
    r"|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|(?P<text>[^\\\[({]+|.)",
    re.DOTALL,
)
# No question has these when it is compared; one that may be left out, or stands alone between bars, does no harm.
NEVER_MET = re.compile(r"(?![\w\s.^$*+?(){}|\\\[\]]).(?![?*])|_(?![?*])")
ALONE = re.compile(r"(?<=[|(])[^\w\s](?=[|)])")


def folded(question: str) -> str:
    """Lower case, without accents and apostrophes."""
    visible = (c for c in unicodedata.normalize("NFKD", question) if unicodedata.category(c) not in ("Mn", "Cf"))
    return "".join(c for c in visible if c not in APOSTROPHES).lower()


def folded_letters(text: str) -> str:
    """Lower case without marks, in every script; ß is ss. Apostrophes stay."""
    marks = ("Mn", "Mc", "Me", "Cf")
    letters = (c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) not in marks)
    return "".join(letters).casefold()


def english_words(text: str) -> list[str]:
    """Words of the letters a to z, and numbers: all else parts them. A letter drawn out ("heeelp") counts once."""
    return re.sub(r"([a-z])\1{2,}", r"\1", re.sub(r"[^a-z0-9]+", " ", text)).split()


def words_of_any_script(text: str) -> list[str]:
    """The same with every letter that there is."""
    return DRAWN_OUT.sub(r"\1", re.sub(r"[\W_]+", " ", folded_letters(text))).split()


def folded_phrase(pattern: str) -> str:
    """The phrase as questions are compared. Raises ValueError for one that could never be met."""
    phrase = PIECES.sub(folded_piece, pattern)
    text = PIECES.sub(lambda piece: piece["text"] or "", phrase)
    if never := NEVER_MET.search(ALONE.sub("", text)):
        raise ValueError(
            f"{pattern!r} can never be met: {never[0]!r} stands in no question as it is compared, which is in "
            "letters, digits and single spaces. Leave it out"
        )
    return phrase


def folded_piece(piece: re.Match[str]) -> str:
    if piece["kept"]:
        return piece["kept"]
    if piece["set"]:
        return folded_letters(piece["set"])
    return DRAWN_OUT.sub(r"\1", re.sub(r"\s\s+", " ", folded_letters(BETWEEN_LETTERS.sub("", piece["text"]))))


def plain(word: str) -> str:
    """A word or words of the rules that are no regular expression. Raises ValueError where nothing is left."""
    found = " ".join(words_of_any_script(folded(word)))
    if not found:
        raise ValueError(f"{word!r} holds no letter and no digit, so no question can have it. Leave it out")
    return found
