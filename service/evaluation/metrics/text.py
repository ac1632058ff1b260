"""What an answer says, against the gold answer and the passages: metrics that need no judge."""

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


def token_f1(answer: str, gold: str) -> float:
    """The harmonic mean of token precision and recall (SQuAD, Rajpurkar et al. 2016), 0 to 1; both empty is 1."""
    said, wanted = Counter(tokens(answer)), Counter(tokens(gold))
    size = said.total() + wanted.total()
    return 2 * (said & wanted).total() / size if size else 1.0


def rouge_l(answer: str, gold: str) -> float:
    """F1 of the longest common subsequence of tokens (Lin 2004), without a stemmer, 0 to 1; both empty is 1."""
    said, wanted = tokens(answer), tokens(gold)
    size = len(said) + len(wanted)
    return 2 * longest_common_subsequence(said, wanted) / size if size else 1.0


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    row = [0] * (len(second) + 1)
    for token in first:
        before, row = row, [0]
        for index, other in enumerate(second):
            row.append(before[index] + 1 if token == other else max(before[index + 1], row[index]))
    return row[-1]


def k_precision(answer: str, passages: Iterable[str]) -> float | None:
    """The share of the answer's tokens that stand in the passages (Adlakha et al., TACL 2024), 0 to 1.

    None for an empty answer: it is neither faithful nor unfaithful.
    """
    said = tokens(answer)
    known = {token for passage in passages for token in tokens(passage)}
    return sum(token in known for token in said) / len(said) if said else None


def k_coverage(answer: str, gold: str, passages: Iterable[str]) -> float | None:
    """The share of what the passages hold of the gold answer, as tokens, that the answer says, 0 to 1.

    K-precision alone rewards an answer that says little (Salas Santillana, arXiv 2606.09376): read both together.
    None where the passages hold nothing of it: that is the retrieval's failure, not the answer's.
    """
    known = {token for passage in passages for token in tokens(passage)}
    wanted = Counter(token for token in tokens(gold) if token in known)
    return (wanted & Counter(tokens(answer))).total() / wanted.total() if wanted else None


def facts_found(answer: str, facts: Sequence[str]) -> float:
    """The share of the required short facts that the answer contains, as tokens in a row (STR-EM, ALCE 2023)."""
    said = f" {' '.join(tokens(answer))} "
    return sum(f" {' '.join(tokens(fact))} " in said for fact in facts) / len(facts) if facts else 1.0
