"""Whether the cited passages carry what is said (ALCE, Gao et al. 2023), by token overlap, not an entailer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.evaluation.metrics.sentences import CITED, sentences
from service.evaluation.metrics.text import k_precision, tokens

SUPPORTED = 0.8


@dataclass(frozen=True, slots=True)
class CitationScores:
    """Shares from 0 to 1: `recall` of the sentences, `precision` of the citations; None without any."""

    recall: float | None
    precision: float | None


def citation_scores(answer: str, passages: Sequence[str], threshold: float = SUPPORTED) -> CitationScores:
    """Citation recall and precision of an answer with marks like [1], which count the passages from 1.

    A sentence is recalled if its cited passages jointly support it; without a mark, or with only unknown ones, it
    is not. A citation is precise if its sentence is supported, and it alone supports it or the others do not.
    ALCE asks an entailment model of 11 B parameters; here a sentence is supported when at least `threshold` of its
    tokens and all of its numbers stand in the passages. That is not calibrated: compare systems with it, no more.
    """
    recalled: list[bool] = []
    precise: list[bool] = []
    for sentence in sentences(answer):
        cited = list(dict.fromkeys(int(mark) for mark in CITED.findall(sentence)))
        shown = {mark: passages[mark - 1] for mark in cited if 1 <= mark <= len(passages)}
        recalled.append(supported(sentence, shown.values(), threshold))
        precise += [mark in shown and needed(sentence, shown, mark, threshold) for mark in cited]
    return CitationScores(share(recalled), share(precise))


def supported(sentence: str, passages: Iterable[str], threshold: float) -> bool:
    shown = list(passages)
    known = {token for passage in shown for token in tokens(passage)}
    numbers = {token for token in tokens(sentence) if any(letter.isdigit() for letter in token)}
    return numbers <= known and (k_precision(sentence, shown) or 0.0) >= threshold


def needed(sentence: str, shown: dict[int, str], mark: int, threshold: float) -> bool:
    others = [passage for number, passage in shown.items() if number != mark]
    return supported(sentence, shown.values(), threshold) and (
        supported(sentence, [shown[mark]], threshold) or not supported(sentence, others, threshold)
    )


def share(verdicts: Sequence[bool]) -> float | None:
    return sum(verdicts) / len(verdicts) if verdicts else None


def right_citation(cited: Iterable[str], gold: Iterable[str]) -> bool:
    """Whether the cited sources are all gold documents, and at least one is cited."""
    sources = set(cited)
    return bool(sources) and sources <= set(gold)
