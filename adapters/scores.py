"""What evaluations found of an adapter version: with retrieval, beside the base with the same retrieval."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from adapters.card import Part
from adapters.engines.protocol import AdapterRefused
from ingest.durable import append_entry, entry_lines

SCORES = "scores.jsonl"


class Finding(Part):
    """Means of one metric with and without the adapter; `change` with its interval over questions, 95 % as a rule.

    `worse`: the adapter loses more than `margin`, and not by luck alone.
    """

    with_adapter: float
    without: float
    change: float
    interval: tuple[float, float] | None
    margin: float
    worse: bool

    def __str__(self) -> str:
        few = "" if self.interval else "; by one question or one document alone, so chance is not ruled out"
        return f"{self.without:.3f} -> {self.with_adapter:.3f} (margin {self.margin:g}{few})"


class Estimate(Part):
    """A metric's mean over so many questions, with its 95 % interval; None where too few tell it."""

    mean: float
    interval: tuple[float, float] | None
    questions: int

    def __str__(self) -> str:
        around = f" ({self.interval[0]:.3f} to {self.interval[1]:.3f})" if self.interval else ""
        return f"{self.mean:.3f}{around}"


class AdapterScore(Part):
    """One evaluation of one version, by the hash of its weights. `at` is when it began, UTC in ISO 8601.

    `findings` are means over all combinations with retrieval, `fullest` those of each one with the most layers on,
    as users get it; empty where that is the same, and in a score of an earlier version. `combinations` has each
    metric of each combination of layers with this adapter, or without any, by `engine`.
    """

    adapter: str
    weights_sha256: str
    run: str
    at: str
    questions: int
    findings: Mapping[str, Finding]
    fullest: Mapping[str, Mapping[str, Finding]] = {}
    engine: str = ""
    combinations: Mapping[str, Mapping[str, Estimate]] = {}

    @property
    def worse(self) -> dict[str, Finding]:
        """By metric; what the mean hides, by metric and combination."""
        found = {metric: finding for metric, finding in self.findings.items() if finding.worse}
        hidden = (
            (f"{metric} with {combination}", finding)
            for combination, findings in self.fullest.items()
            for metric, finding in findings.items()
            if finding.worse and metric not in found
        )
        return found | dict(hidden)

    def refusal(self) -> str:
        told = ", ".join(f"{metric} {finding}" for metric, finding in self.worse.items())
        return (
            f"{self.adapter} makes answers worse than the base with the same retrieval: {told}, over "
            f"{self.questions} questions (evaluation {self.run}). Train it further, or promote it with a "
            "reason why it may go out."
        )


def record_score(folder: Path, score: AdapterScore) -> None:
    """Grows the folder's log; the same evaluation again says the same, and is not told twice."""
    if score not in scores_in(folder):
        folder.mkdir(parents=True, exist_ok=True)
        append_entry(folder / SCORES, score.model_dump(mode="json"))


def scores_in(folder: Path) -> list[AdapterScore]:
    """The oldest first. Raises AdapterRefused for a line that is none: what it said of an adapter is unknown."""
    return [score_of(line, place) for line, place in entry_lines(folder / SCORES)]


def score_of(line: bytes, place: str) -> AdapterScore:
    try:
        return AdapterScore.model_validate_json(line)
    except ValidationError as error:
        raise AdapterRefused(
            f"{place} is no evaluation of an adapter, so whether one makes answers worse is unknown: {error}. "
            "Mend the line, or take it out."
        ) from error


def latest_score(folders: Iterable[Path], weights_sha256: str) -> AdapterScore | None:
    """The evaluation of these weights with the most questions, of equal ones the last: a short one hides none."""
    found = [one for folder in folders for one in scores_in(folder) if one.weights_sha256 == weights_sha256]
    return max(reversed(found), key=lambda one: one.questions, default=None)
