"""Fits the classifier head to past records, and calibrates it on others; the only place that knows scikit-learn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from adapters.decisions.calibration import Calibration, calibrated
from adapters.decisions.features import cuts_of, matrix, vocabulary
from adapters.decisions.head import Head, HeadCard, likeliest, records_sha256
from adapters.decisions.policy import DecisionName, PolicyError
from adapters.decisions.records import Case, PastCase, of_split
from adapters.decisions.similar import Memory, combined, told, votes
from ingest.documents import Vectors
from ingest.embed import Embedder

STRENGTH = 3.0
STEPS = 3000
VOTES = (0.0, 0.1, 0.2, 0.3, 0.5)
HEAD, HEAD_RETRIEVAL = "head", "head+retrieval"


@dataclass(frozen=True)
class Embedded:
    """Past cases with the vectors of their notes, and of all that is told of them."""

    past: Sequence[PastCase]
    notes: Vectors
    told: Vectors

    @property
    def cases(self) -> list[Case]:
        return [one.case for one in self.past]


def embedded(past: Sequence[PastCase], embedder: Embedder) -> Embedded:
    return Embedded(
        past,
        embedder.embed_queries([one.case.note for one in past]),
        embedder.embed_queries([told(one.case) for one in past]),
    )


def fit_head(
    past: Sequence[PastCase],
    decisions: Mapping[str, DecisionName],
    embedder: Embedder,
    similar: int,
    policy_sha256: str = "",
) -> Head:
    """Train on the training split; the votes' share and the calibration come from the calibration split.

    The calibration with retrieval is for so many `similar` records, and for no other number.
    Raises PolicyError where a split is too small to learn or to calibrate.
    """
    training, held = of_split(past, "train"), of_split(past, "calibration")
    if len({one.code for one in training}) < 2 or len(held) < 50:
        raise PolicyError(
            f"{len(training)} records to train on and {len(held)} to calibrate on are too few: "
            "expected two reason codes and 50 records."
        )
    seen, kept = embedded(training, embedder), embedded(held, embedder)
    head = regression(seen, decisions, embedder.fingerprint)
    shares = head.codes(kept.cases, kept.notes)
    voted = neighbor_votes(Memory(training, seen.told), kept, head.card.codes, similar)
    vote = min(VOTES, key=lambda share: loss(blended(shares, voted, share), head.card, held))
    ways = {
        HEAD: calibration_of(shares, head.card, held),
        HEAD_RETRIEVAL: calibration_of(blended(shares, voted, vote), head.card, held),
    }
    hashes = {"records_sha256": records_sha256(past), "policy_sha256": policy_sha256}
    card = head.card.model_copy(update={"vote": vote, "similar": similar, "ways": ways, **hashes})
    return Head(card, head.weights, head.bias, seen.told)


def regression(seen: Embedded, decisions: Mapping[str, DecisionName], embedder: str) -> Head:
    cuts = cuts_of(seen.cases)
    known = vocabulary(seen.cases, cuts)
    features = matrix(seen.cases, seen.notes, known, cuts)
    codes, weights, bias = logistic(features, [one.code for one in seen.past], STRENGTH)
    card = HeadCard(
        embedder=embedder,
        records_sha256="",
        weights_sha256="",
        codes=codes,
        decisions=dict(decisions),
        known=known,
        cuts=dict(cuts),
        vote=0,
        ways={},
    )
    return Head(card, weights, bias, seen.told)


def logistic(features: Vectors, labels: Sequence[str], strength: float) -> tuple[tuple[str, ...], Vectors, Vectors]:
    """Logistic regression of rows (n, features): its classes, weights (features, classes) and bias (classes,).

    `strength` is one over the L2 penalty. The solver draws nothing: the same rows give the same weights.
    """
    model = LogisticRegression(C=strength, max_iter=STEPS)
    model.fit(features, labels)
    weights, bias = softmax_form(model.coef_, model.intercept_)
    return tuple(map(str, model.classes_)), weights, bias


def softmax_form(coefficients: np.ndarray, intercept: np.ndarray) -> tuple[Vectors, Vectors]:
    """Weights (features, codes) and bias (codes,); of two codes scikit-learn keeps the second one's only."""
    if len(coefficients) == 1:
        coefficients = np.vstack([np.zeros_like(coefficients), coefficients])
        intercept = np.array([0, intercept[0]])
    return coefficients.T.astype(np.float32), intercept.astype(np.float32)


def neighbor_votes(memory: Memory, kept: Embedded, codes: Sequence[str], count: int) -> Vectors:
    pairs = zip(kept.cases, kept.told, strict=True)
    return np.stack([votes(memory.nearest(case, vector, count), codes) for case, vector in pairs])


def blended(shares: Vectors, voted: Vectors, vote: float) -> Vectors:
    return np.stack([combined(one, other, vote) for one, other in zip(shares, voted, strict=True)])


def loss(shares: Vectors, card: HeadCard, held: Sequence[PastCase]) -> float:
    """The mean log loss of the decisions."""
    of = np.array([[card.decisions[code] == one.decision for code in card.codes] for one in held])
    return float(-np.log(np.clip((shares * of).sum(axis=1), 1e-6, 1)).mean())


def calibration_of(shares: Vectors, card: HeadCard, held: Sequence[PastCase]) -> Calibration:
    best = [likeliest(row, card.codes, card.decisions) for row in shares]
    right = [decision == one.decision for (decision, _, _), one in zip(best, held, strict=True)]
    return calibrated([share for _, _, share in best], right)
