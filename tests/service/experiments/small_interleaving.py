"""A small interleaved experiment, and answers in it as their manifests tell what was drafted and cited."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from service.experiments.assign import Arm, Experiment
from service.outcomes import ExposedOutcome
from tests.service.experiments.small_experiment import answer

ARMS = (Arm("whole", "on", 0.5), Arm("fine", "hospital-fine", 0.5))
INTERLEAVED = Experiment(
    "chunks", "retrieval", "s", 1.0, ARMS, decision_at=200, smallest_effect=0.1, interleave=True
)
COLLECTIONS = {"whole": "hospital", "fine": "hospital-fine", None: "hospital"}


def shown(team: str | None, cited: bool = False, collection: str | None = None) -> dict[str, Any]:
    return {"team": team, "cited": cited, "collection": collection or COLLECTIONS[team]}


def interleaved(unit: str, passages: Sequence[dict[str, Any]], evidence_wrong: bool = False) -> ExposedOutcome:
    made = replace(answer(unit, "whole+fine"), experiment="chunks", passages=tuple(passages))
    return replace(made, rating="down", reasons=("evidence_wrong",)) if evidence_wrong else made


def of_each(wins: int, lost: int, ties: int) -> list[ExposedOutcome]:
    """So many answers that `fine` won, that it lost, and ties, one a user."""
    kinds = [("fine", True)] * wins + [("whole", True)] * lost + [("fine", False)] * ties
    return [interleaved(f"u{number}", [shown(*kind)]) for number, kind in enumerate(kinds)]
