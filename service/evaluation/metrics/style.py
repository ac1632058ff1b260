"""How an answer is said, apart from what it says: guardrails and house rules, never a goal by themselves."""

import re
from collections.abc import Sequence

from service.evaluation.metrics.sentences import CITED, sentences

WORD = re.compile(r"[A-Za-z]+(?:['\N{RIGHT SINGLE QUOTATION MARK}][A-Za-z]+)*")
YOU_FORM = re.compile(r"\b(?:you|your|yours|yourself|yourselves)\b", re.IGNORECASE)


def reading_grade(text: str) -> float | None:
    """The Flesch-Kincaid grade, US school years (Kincaid et al. 1975); under 0 for very short words and sentences.

    Numbers, list marks and citations are no words. A guardrail at most: over 60 summaries it agreed with human
    readers at 0.16 (arXiv 2508.19221). None without words.
    """
    spoken, count = words(text), len(sentences(text))
    if not spoken or not count:
        return None
    return 0.39 * len(spoken) / count + 11.8 * sum(map(syllables, spoken)) / len(spoken) - 15.59


def length(text: str) -> int:
    """Words, numbers among them, as a limit in a prompt means them."""
    return len(CITED.sub(" ", text).split())


def you_form(text: str) -> float | None:
    """The share of sentences that say "you" or "your", 0 to 1; None without sentences.

    An imperative ("Call the desk.") speaks to the reader too but does not count: compare answers, expect no 1.
    """
    said = [YOU_FORM.search(sentence) is not None for sentence in sentences(text)]
    return sum(said) / len(said) if said else None


def required_parts(text: str, parts: Sequence[re.Pattern[str]]) -> float:
    """The share of the parts that a house style asks for and that the text has, 0 to 1; 1 where none is asked."""
    return sum(part.search(text) is not None for part in parts) / len(parts) if parts else 1.0


def on_style(text: str, grade: float, most_words: int, parts: Sequence[re.Pattern[str]]) -> float | None:
    """The share of demands that the text meets: at most this grade and so many words, "you" somewhere, each part.

    None without words.
    """
    found = reading_grade(text)
    if found is None:
        return None
    simple = (found <= grade, length(text) <= most_words, YOU_FORM.search(text) is not None)
    return (sum(simple) + required_parts(text, parts) * len(parts)) / (len(simple) + len(parts))


def words(text: str) -> list[str]:
    """Words of letters, without numbers and citations."""
    return WORD.findall(CITED.sub(" ", text))


# An own counter: pronouncing dictionaries for Python are GPL or fetched at run time, and a hyphenation is no
# syllable count. The rules agree with CMUdict on 99.5 % of the running words of the hospital pack, on which they
# were tuned, and on 91 % of all words that it lists; over the pack the errors cancel to 0.01 % of the syllables.
VOWELS = re.compile(r"[aeiouy]+")
SILENT = re.compile(
    r"(?:(?<![aeiouy])(?<![^aeiouy]l)e"  # late, but little
    r"|(?<![aeiouydt])ed"  # closed, but needed
    r"|(?<![aeiouycgszx])(?<![sc]h)(?<![^aeiouy]l)es)$"  # times, but buses
    r"|(?<=[^aeiouyl])e(?=(?:ly|ments?|ness|less|ful|thing|one|body|days?|ty)$)"  # safely
    r"|(?<=s)i(?=ness$)"  # business
)
TWO_IN_A_ROW = re.compile(
    r"(?<![cgst])i[ao]"  # radio, but nation
    r"|(?<!g)eo(?!p)|(?<!g)ua|uou"  # video, usual, continuous
    r"|(?<![cst])ie[nt](?!d)"  # client, but patient
    r"|[aeiouy]ing$|(?<=[aeou])y(?=[aeou])"  # seeing, loyal
    r"|ism$|^h?our"  # tourism, hour
)


def syllables(word: str) -> int:
    """Of an English word, by rule; at least 1."""
    stem = re.split(r"['\N{RIGHT SINGLE QUOTATION MARK}]", word.lower())[0]
    heard = SILENT.sub("", stem)
    return max(1, len(VOWELS.findall(heard)) + len(TWO_IN_A_ROW.findall(heard)))
