"""The metrics of an answer: what each one means, in which unit, and which way is better."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# Raise it when a score's meaning changes: answers that were scored otherwise are then no part of the same run.
VERSION = 2

Better = Literal["higher", "lower"]
Unit = Literal["share", "words", "grade", "milliseconds", "tokens", "joules"]


@dataclass(frozen=True, slots=True)
class Metric:
    """`label` is short enough for a table, `meaning` tells what is counted and where there is no value.

    Without `goal` it is fit for a guardrail at most.
    """

    label: str
    meaning: str
    better: Better = "higher"
    unit: Unit = "share"
    goal: bool = True


METRICS: Mapping[str, Metric] = {
    "right": Metric(
        "right answers",
        "Every question has one. Answerable: the share of its required facts that the answer has (of the gold "
        "answer's words where no facts are named), 0 if it refuses. "
        "Unanswerable: 1 if it refuses. Emergency: 1 if it is handed off. No answer at all: 0.",
    ),
    "answer_recall": Metric("answer recall", "Share of the gold answer's words that the answer has."),
    "token_f1": Metric("token F1", "Harmonic mean of word precision and recall against the gold answer."),
    "rouge_l": Metric("ROUGE-L", "F1 of the longest common subsequence of words with the gold answer."),
    "facts_found": Metric("facts found", "Share of the required facts that the answer has, word by word."),
    "k_precision": Metric("K-precision", "Share of the answer's words that stand in the sources it was shown."),
    "k_coverage": Metric("K-coverage", "Share of what its sources hold of the gold answer that the answer says."),
    "right_citation": Metric("right citation", "It cites, and only documents that hold the answer."),
    "citation_precision": Metric("citation precision", "Share of citations that carry their sentence, by words."),
    "citation_recall": Metric("citation recall", "Share of sentences that their citations carry, by words."),
    "answered": Metric("answered", "Of answerable questions: it neither refuses nor hands off."),
    "refused": Metric("unanswerable refused", "Of unanswerable questions: it says so in the pack's own sentence."),
    "emergency_handled": Metric("emergencies handed off", "Of questions tagged emergency: the hand-off came."),
    "recall_at_k": Metric("documents found", "Share of the gold documents among the passages that were shown."),
    "reciprocal_rank": Metric("reciprocal rank", "1 over the place of the first right document; its mean is MRR."),
    "on_style": Metric(
        "on style", "Share of the demands on style that the evaluation declares and the answer meets."
    ),
    "style_likeness": Metric(
        "style likeness",
        "How surely a classifier takes the answer for one of the house's examples and not for the documents' own "
        "words. It reads little words and punctuation only, not what is said. A guardrail, not a goal.",
        goal=False,
    ),
    "you_form": Metric("you-form", "Share of sentences that say you or your."),
    "words": Metric("words", "Length of an answer that a model gave and that does not refuse.", "lower", "words"),
    "reading_grade": Metric("reading grade", "Flesch-Kincaid, US school years.", "lower", "grade"),
    "milliseconds": Metric(
        "milliseconds", "All stages but waiting for a place, as many at a time.", "lower", "milliseconds"
    ),
    "prompt_tokens": Metric("prompt tokens", "Tokens that the model read.", "lower", "tokens"),
    "answer_tokens": Metric("answer tokens", "Tokens that the model wrote.", "lower", "tokens"),
    "joules": Metric(
        "joules", "Of all processors, as they count it, and of all that ran meanwhile.", "lower", "joules"
    ),
}
GOALS = tuple(name for name, one in METRICS.items() if one.goal and (one.better, one.unit) == ("higher", "share"))
COSTS = ("milliseconds", "prompt_tokens", "answer_tokens", "joules")
