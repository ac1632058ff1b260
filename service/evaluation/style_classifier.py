"""Fits a classifier of styles, and measures how well it does on documents that it never saw."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from adapters.decisions.fit import logistic
from service.evaluation.house_style import StyleClassifier
from service.evaluation.metrics.distorted import frequencies, vocabulary
from service.evaluation.paired import FloatArray, Interval, differences, t_interval
from service.evaluation.selection import drawn

FOLDS = 5
STRENGTH = 1.0
# A piece that fewer texts have is an accident of these texts.
FEWEST_TEXTS = 5
HOUSE, OTHER = "house", "other"


@dataclass(frozen=True, slots=True)
class Text:
    """A text in the house's voice or in another one; `document` is what it is about."""

    document: str
    text: str
    house: bool


def fitted(texts: Sequence[Text]) -> StyleClassifier:
    """The same texts give the same classifier: nothing in it is drawn."""
    said = [one.text for one in texts]
    columns = vocabulary(said, FEWEST_TEXTS)
    labels = [HOUSE if one.house else OTHER for one in texts]
    classes, weights, bias = logistic(frequencies(said, columns), labels, STRENGTH)
    house, other = classes.index(HOUSE), classes.index(OTHER)
    return StyleClassifier(columns, weights[:, house] - weights[:, other], float(bias[house] - bias[other]))


def cross_validated(texts: Sequence[Text], seed: int) -> tuple[float, Interval]:
    """How well such a classifier tells the voices apart: AUC inside each document, the mean over documents.

    With Student's 95 % interval over them. Every document has both voices, so that its topic helps nobody.
    """
    scores = unseen_scores(texts, seed)
    house, about = np.array([one.house for one in texts]), np.array([one.document for one in texts])
    inside = [about == name for name in dict.fromkeys(about.tolist())]
    found = differences(np.array([[auc(scores[here & house], scores[here & ~house])] for here in inside]))
    low, high = (float(end) for end in t_interval(found)[0])
    return float(found.mean[0]), Interval(low, high)


def unseen_scores(texts: Sequence[Text], seed: int) -> FloatArray:
    """Each text's probability from a classifier that saw nothing about its document."""
    dealt = folds(texts, seed)
    fold = np.array([dealt[one.document] for one in texts])
    scores = np.zeros(len(texts))
    for held in range(FOLDS):
        seen = [one for one, at in zip(texts, fold, strict=True) if at != held]
        left = [one.text for one, at in zip(texts, fold, strict=True) if at == held]
        scores[fold == held] = fitted(seen).probabilities(left)
    return scores


def folds(texts: Sequence[Text], seed: int) -> dict[str, int]:
    """Documents dealt out in an order drawn by the seed."""
    documents = sorted({one.document for one in texts}, key=lambda name: drawn(seed, name))
    return {name: at % FOLDS for at, name in enumerate(documents)}


def auc(house: FloatArray, other: FloatArray) -> float:
    """The chance that one of the first is above one of the second; ties count half (Mann and Whitney 1947)."""
    ranks = rankdata(np.concatenate([house, other]))[: len(house)].sum()
    return float((ranks - len(house) * (len(house) + 1) / 2) / (len(house) * len(other)))
