"""Emergencies in people's own words: found before any layer, answered with a fixed text."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from configs.faults import in_one_line
from configs.yaml_text import parse_yaml
from service.guard.folding import OTHER_LETTER, english_words, folded, folded_phrase, plain, words_of_any_script

GAP = r"(?: [\w.]+){0,5} "
NOTHING = r"(?!)"
LIST_NAME = re.compile(r"(?<!\?)<\w+>")
SENTENCE_END = re.compile(r"[.!?;\n…]+(?:\s|$)|\n")
PARAGRAPH_END = re.compile(r"\n\s*\n")
SHORTEST_CORRECTED = 6


class EmergencyRulesError(ValueError):
    """The file of emergency rules cannot be used; without it no question may be answered."""


@dataclass(frozen=True, slots=True)
class Handoff:
    """The rule that found an emergency, and the fixed text that answers it."""

    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """`signs` say that it happens, `mentions` only name it; excuses for a mention are easier."""

    handoff: Handoff
    signs: re.Pattern[str]
    mentions: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class EmergencyRules:
    spelling: Mapping[str, str]
    misspelt: re.Pattern[str]
    keywords: tuple[str, ...]
    lookalikes: frozenset[str]
    names: re.Pattern[str]
    past: re.Pattern[str]
    now: re.Pattern[str]
    topics: re.Pattern[str]
    rules: tuple[Rule, ...]


class RuleText(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    handoff: str
    signs: list[str] = Field(default_factory=list)
    mentions: list[str] = Field(default_factory=list)


class RulesFile(BaseModel):
    """The file as people write it: phrases, with ` ... ` for up to five words and `<name>` for a list of words."""

    model_config = ConfigDict(extra="forbid")

    handoffs: dict[str, str]
    spelling: dict[str, list[str]]
    keywords: list[str]
    lookalikes: list[str]
    words: dict[str, list[str]]
    names: list[str]
    past: list[str]
    now: list[str]
    topics: list[str]
    rules: list[RuleText] = Field(min_length=1)


def detect(question: str, rules: EmergencyRules) -> Handoff | None:
    """The hand-off of the first rule that a reading of the question meets; the rules stand in order of weight."""
    found = (detect_in(reading, rules) for reading in readings(question))
    return next((handoff for handoff in found if handoff), None)


def readings(question: str) -> list[str]:
    """As it is written, and with each paragraph as one line: a line may end with a thought, or where it is full."""
    if "\n" not in question:
        return [question]
    return [question, "\n\n".join(" ".join(part.split()) for part in PARAGRAPH_END.split(question))]


def detect_in(reading: str, rules: EmergencyRules) -> Handoff | None:
    return next(filter(None, (met(text, rules) for text in texts(reading, rules))), None)


def texts(reading: str, rules: EmergencyRules) -> Iterator[str]:
    """In the letters a to z, all others parting words; then, where there are others, with them. Both, since neither
    is to hide a cry for help that the other shows: such letters may stand right beside it, or be it.
    """
    text = folded(reading)
    yield normal(text, english_words, rules)
    if OTHER_LETTER.search(text):
        yield normal(text, words_of_any_script, rules)


def met(text: str, rules: EmergencyRules) -> Handoff | None:
    unnamed = rules.names.sub(lambda match: "-" * len(match[0]), text)
    return next((rule.handoff for rule in rules.rules if happens(rule, text, unnamed, rules)), None)


def happens(rule: Rule, text: str, unnamed: str, rules: EmergencyRules) -> bool:
    """`unnamed` is `text` with the harmless names crossed out, every letter in its place."""
    signs = (around(text, match) for match in rule.signs.finditer(unnamed))
    mentions = (around(text, match) for match in rule.mentions.finditer(unnamed))
    return any(not is_past(sentence, rules) for sentence in signs) or any(
        not is_past(sentence, rules) and not rules.topics.search(sentence) for sentence in mentions
    )


def is_past(sentence: str, rules: EmergencyRules) -> bool:
    return bool(rules.past.search(sentence)) and not rules.now.search(sentence)


def around(text: str, match: re.Match[str]) -> str:
    """The sentences that the match touches: an excuse elsewhere excuses nothing."""
    start = text.rfind(" . ", 0, match.start())
    end = text.find(" . ", match.end())
    return text[max(start, 0) : end if end >= 0 else len(text)]


def normal(folded_text: str, words_in: Callable[[str], list[str]], rules: EmergencyRules) -> str:
    """The words between single spaces, spelled right; ` . ` between sentences."""
    sentences = (" ".join(words_in(part)) for part in SENTENCE_END.split(folded_text))
    text = f" {' . '.join(sentence for sentence in sentences if sentence)} "
    text = rules.misspelt.sub(lambda match: rules.spelling[match[0]], text)
    return f" {' '.join(corrected(word, rules) for word in text.split())} "


def corrected(word: str, rules: EmergencyRules) -> str:
    """A word one slip away from a keyword is that keyword, unless it is a word of its own."""
    if len(word) < SHORTEST_CORRECTED or word in rules.lookalikes or word in rules.keywords:
        return word
    return next((keyword for keyword in rules.keywords if one_slip(word, keyword)), word)


def one_slip(written: str, meant: str) -> bool:
    """One letter more, less, other, or two neighbours swapped."""
    if abs(len(written) - len(meant)) > 1:
        return False
    same = next((i for i, (a, b) in enumerate(zip(written, meant, strict=False)) if a != b), len(meant) - 1)
    rest, wanted = written[same:], meant[same:]
    swapped = rest[1:2] + rest[:1] + rest[2:]
    return rest[1:] == wanted or rest == wanted[1:] or rest[1:] == wanted[1:] or swapped == wanted


def load_rules(path: Path) -> EmergencyRules:
    """Read and check the file; every fault raises EmergencyRulesError with its place."""
    try:
        content = RulesFile.model_validate(parse_yaml(path.read_text(encoding="utf-8")))
        return compiled(content)
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise EmergencyRulesError(f"The emergency rules in {path} cannot be used: {told(error)}") from error


def told(error: Exception) -> str:
    """Every fault of a file in one line, each with its place."""
    return in_one_line(error, "the file") if isinstance(error, ValidationError) else str(error)


def compiled(content: RulesFile) -> EmergencyRules:
    lists = {f"<{name}>": f"(?:{'|'.join(words)})" for name, words in content.words.items()}
    spelling = {plain(wrong): plain(right) for right, wrongs in content.spelling.items() for wrong in wrongs}
    return EmergencyRules(
        spelling=spelling,
        misspelt=phrases(sorted(spelling, key=len, reverse=True), {}),
        keywords=tuple(map(plain, content.keywords)),
        lookalikes=frozenset(map(plain, content.lookalikes)),
        names=phrases(content.names, lists),
        past=phrases(content.past, lists),
        now=phrases(content.now, lists),
        topics=phrases(content.topics, lists),
        rules=tuple(compiled_rule(rule, content.handoffs, lists) for rule in content.rules),
    )


def compiled_rule(rule: RuleText, handoffs: Mapping[str, str], lists: Mapping[str, str]) -> Rule:
    text = handoffs.get(rule.handoff)
    if text is None:
        raise ValueError(f"rule {rule.name} hands off to {rule.handoff!r}; known are {', '.join(sorted(handoffs))}")
    if not rule.signs and not rule.mentions:
        raise ValueError(f"rule {rule.name} has neither signs nor mentions; add some")
    handoff = Handoff(rule.name, " ".join(text.split()))
    return Rule(handoff, phrases(rule.signs, lists), phrases(rule.mentions, lists))


def phrases(patterns: Sequence[str], lists: Mapping[str, str]) -> re.Pattern[str]:
    """One pattern for all phrases, each between word borders."""
    whole = "|".join(spelled_out(pattern, lists) for pattern in patterns)
    return re.compile(rf"\b(?:{whole})\b" if patterns else NOTHING)


def spelled_out(pattern: str, lists: Mapping[str, str]) -> str:
    for name, words in lists.items():
        pattern = pattern.replace(name, words)
    unknown = LIST_NAME.search(pattern)
    if unknown:
        raise ValueError(f"no list {unknown[0]} under words, used in {pattern!r}")
    pattern = folded_phrase(pattern)
    try:
        matches_all = re.compile(pattern).match("")
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    if matches_all:
        raise ValueError(f"{pattern!r} matches the empty text, that is everything; mend it")
    return pattern.replace(" ... ", GAP)
