"""Scores of ways to decide, with intervals and calibration, and the yardstick: a plain logistic regression."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from adapters.decisions.calibration import calibrated, expected_calibration_error
from adapters.decisions.fit import Embedded
from adapters.decisions.records import PastCase

RESAMPLES = 1000
WIDTHS = (20, 4, 24, 24, 5, 11, 13)
Score = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Row:
    """What one way decided, with its probability where it has one, and what was right."""

    name: str
    decided: Sequence[str]
    truth: Sequence[str]
    probabilities: Sequence[float] | None = None

    def cells(self, refer_below: float) -> tuple[str, ...]:
        said, truth = np.array(self.decided), np.array(self.truth)
        cells = (self.name, str(len(truth)), interval(said, truth, accuracy), interval(said, truth, macro_f1))
        if self.probabilities is None:
            return (*cells, "", "", "")
        right, sure = said == truth, np.array(self.probabilities)
        kept = sure >= refer_below
        error = expected_calibration_error(self.probabilities, right)
        return (*cells, f"{error:.3f}", f"{kept.mean():.2f}", f"{right[kept].mean():.3f}" if kept.any() else "-")


def accuracy(said: np.ndarray, truth: np.ndarray) -> float:
    return float((said == truth).mean())


def macro_f1(said: np.ndarray, truth: np.ndarray) -> float:
    return float(f1_score(truth, said, labels=np.unique(truth), average="macro", zero_division=0))


def interval(said: np.ndarray, truth: np.ndarray, score: Score) -> str:
    """The score with its 95 % interval over resampled records."""
    chance = np.random.default_rng(0)
    draws = chance.integers(0, len(truth), (RESAMPLES, len(truth)))
    low, high = np.quantile([score(said[draw], truth[draw]) for draw in draws], (0.025, 0.975))
    return f"{score(said, truth):.3f} ({low:.3f} to {high:.3f})"


def table(rows: Sequence[Row], refer_below: float) -> str:
    head = ("way", "n", "accuracy", "macro-F1", "ECE", f"kept at {refer_below:g}", "right of kept")
    cells = [head, *(row.cells(refer_below) for row in rows)]
    return "\n".join(" | ".join(cell.ljust(WIDTHS[at]) for at, cell in enumerate(row)) for row in cells)


def regression(seen: Embedded, test: Embedded, kept: Embedded) -> Row:
    """The yardstick: fields as they are, numbers scaled, the note's vector; no crossing, no words, no codes."""
    names = sorted({f"{name}={value}" for case in seen.cases for name, value in case.fields.items()})
    numbers = sorted({name for case in seen.cases for name in case.numbers})

    def plain(of: Embedded) -> np.ndarray:
        rows = [
            [f"{name}={case.fields.get(name)}" == mark for mark in names for name in (mark.split("=")[0],)]
            + [case.numbers.get(name, -1) / 10 for name in numbers]
            for case in of.cases
        ]
        return np.hstack([np.array(rows, dtype=float), of.notes])

    model = LogisticRegression(max_iter=3000).fit(plain(seen), [one.decision for one in seen.past])
    shares, held = model.predict_proba(plain(test)), model.predict_proba(plain(kept))
    right = [str(model.classes_[row.argmax()]) == one.decision for row, one in zip(held, kept.past, strict=True)]
    calibration = calibrated([float(row.max()) for row in held], right)
    said = [str(model.classes_[row.argmax()]) for row in shares]
    sure = [calibration.probability(float(row.max())) for row in shares]
    return Row("logistic regression", said, truth(test.past), sure)


def truth(past: Sequence[PastCase]) -> list[str]:
    return [one.decision for one in past]
