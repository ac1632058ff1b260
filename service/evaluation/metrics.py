"""Metrics that need no judge, each a pure function of texts."""

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence

CITATION = re.compile(r"\[\d{1,2}\]")
ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def tokens(text: str) -> list[str]:
    """Words as SQuAD compares them (Rajpurkar et al. 2016): no case, punctuation, articles; here no citations."""
    bare = CITATION.sub(" ", text).lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").translate(PUNCTUATION)
    return ARTICLES.sub(" ", bare).split()


def answer_recall(answer: str, gold: str) -> float:
    """The share of the gold answer's tokens that the answer has (Adlakha et al., TACL 2024), 0 to 1."""
    wanted = Counter(tokens(gold))
    return (wanted & Counter(tokens(answer))).total() / wanted.total() if wanted else 1.0


def k_precision(answer: str, passages: Iterable[str]) -> float | None:
    """The share of the answer's tokens that stand in the passages (Adlakha et al., TACL 2024), 0 to 1.

    None for an empty answer: it is neither faithful nor unfaithful.
    """
    said = tokens(answer)
    known = {token for passage in passages for token in tokens(passage)}
    return sum(token in known for token in said) / len(said) if said else None


def facts_found(answer: str, facts: Sequence[str]) -> float:
    """The share of the required short facts that the answer contains, as tokens in a row (STR-EM, ALCE 2023)."""
    said = f" {' '.join(tokens(answer))} "
    return sum(f" {' '.join(tokens(fact))} " in said for fact in facts) / len(facts) if facts else 1.0


def refused(answer: str, no_answer: str) -> bool:
    """Whether the answer says that the sources do not hold it: the pack's sentence for that, or its beginning."""
    beginning = tokens(re.split(r"(?<=[.!?])\s", no_answer)[0])
    return tokens(answer)[: len(beginning)] == beginning


def right_citation(cited: Iterable[str], gold: Iterable[str]) -> bool:
    """Whether the cited sources are all gold documents, and at least one is cited."""
    sources = set(cited)
    return bool(sources) and sources <= set(gold)
