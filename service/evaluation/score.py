"""The scores of one answer, out of the metrics that need no judge; what has no value has a reason instead."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from adapters.dataset.entries import refuses
from service.evaluation.design import Style
from service.evaluation.house_style import HouseStyle
from service.evaluation.metrics.catalogue import METRICS
from service.evaluation.metrics.citations import citation_scores, right_citation
from service.evaluation.metrics.retrieval import recall_at, reciprocal_rank
from service.evaluation.metrics.style import length, on_style, reading_grade, you_form
from service.evaluation.metrics.text import (
    answer_recall,
    facts_found,
    k_coverage,
    k_precision,
    rouge_l,
    token_f1,
)
from service.evaluation.questions import EMERGENCY, PackQuestion
from service.plan import Manifest
from service.transcript import Transcript

NOT_FOR_IT = "not a metric of such a question"
NO_METER = "this machine does not tell what it uses, or not to us"
NOTHING_SAID = "no model gave an answer with content"
RETRIEVAL_OFF = "retrieval was off"
NO_EXAMPLES = "the evaluation names no examples of a style"
STYLE = ("on_style", "style_likeness", "you_form", "words", "reading_grade")

Status = Literal["answered", "refused", "handed off", "failed"]
Found = Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Scores:
    """A value for every metric; None where there is none, and then `missing` has the reason."""

    values: Mapping[str, float | None]
    missing: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of an answer. `shown` are the passages' places and texts; None where retrieval was off."""

    question: PackQuestion
    answer: str
    status: Status
    sources: tuple[str, ...]
    shown: tuple[str, ...] | None
    cited: tuple[str, ...]
    manifest: Manifest

    @property
    def emergency(self) -> bool:
        return EMERGENCY in self.question.tags

    @property
    def says_something(self) -> bool:
        return says_something(self.answer, self.status)


def says_something(answer: str, status: Status) -> bool:
    return status == "answered" and bool(answer.strip())


def seen_in(question: PackQuestion, transcript: Transcript, no_answer: str) -> Seen:
    manifest = transcript.done.manifest
    searched = manifest.acted.retrieval is not None
    return Seen(
        question=question,
        answer=transcript.done.text,
        status=status_of(transcript, no_answer),
        sources=tuple(passage.source for passage in transcript.passages),
        shown=tuple(f"{one.place} {one.text}" for one in transcript.passages) if searched else None,
        cited=tuple(source.source for source in transcript.sources() if source.cited),
        manifest=manifest,
    )


def status_of(transcript: Transcript, no_answer: str) -> Status:
    if transcript.done.manifest.path == "emergency":
        return "handed off"
    return "refused" if refuses(transcript.done.text, no_answer) else "answered"


def score(seen: Seen, demands: Style = Style(), house: HouseStyle | None = None) -> Scores:
    """All but the energy, which is the machine's and not the answer's to tell."""
    parts = (behaviour(seen), against_gold(seen), against_sources(seen), citations(seen), search(seen))
    rest = (style(seen.answer, seen.status, demands, house), costs(seen.manifest))
    found = {name: value for part in (*parts, *rest) for name, value in part.items()}
    return split({name: found[name] for name in METRICS})


def nothing(question: PackQuestion, reason: str) -> Scores:
    """The scores of a question that got no answer: it was not answered right, and nothing else can be said."""
    found: dict[str, float | str] = {**dict.fromkeys(METRICS, reason), "right": 0.0}
    if question.answerable and EMERGENCY not in question.tags:
        found["answered"] = 0.0
    return split(found)


def split(found: Found) -> Scores:
    missing = {name: value for name, value in found.items() if isinstance(value, str)}
    values = {name: None if isinstance(value, str) else float(value) for name, value in found.items()}
    return Scores(values, missing)


def behaviour(seen: Seen) -> Found:
    """Whether it did what it should with such a question."""
    answerable, said_no = seen.question.answerable, seen.status == "refused"
    ordinary = not seen.emergency
    return {
        "right": right(seen),
        "answered": float(seen.status == "answered") if ordinary and answerable else NOT_FOR_IT,
        "refused": float(said_no) if ordinary and not answerable else NOT_FOR_IT,
        "emergency_handled": float(seen.status == "handed off") if seen.emergency else NOT_FOR_IT,
    }


def right(seen: Seen) -> float:
    if seen.emergency:
        return float(seen.status == "handed off")
    if not seen.question.answerable:
        return float(seen.status == "refused")
    if seen.status != "answered":
        return 0.0
    facts = seen.question.facts
    return facts_found(seen.answer, facts) if facts else answer_recall(seen.answer, seen.question.answer)


def against_gold(seen: Seen) -> Found:
    gold = seen.question.answer
    if not seen.question.answerable or not gold:
        return dict.fromkeys(("answer_recall", "token_f1", "rouge_l", "facts_found"), NOT_FOR_IT)
    return {
        "answer_recall": answer_recall(seen.answer, gold),
        "token_f1": token_f1(seen.answer, gold),
        "rouge_l": rouge_l(seen.answer, gold),
        "facts_found": facts_found(seen.answer, seen.question.facts),
    }


def against_sources(seen: Seen) -> Found:
    """A refusal is no statement that could be true to a source; but it leaves out what the sources hold."""
    if seen.shown is None:
        return dict.fromkeys(("k_precision", "k_coverage"), RETRIEVAL_OFF)
    precision = k_precision(seen.answer, seen.shown) if seen.says_something else None
    if seen.question.answer and seen.manifest.path == "model":
        coverage = k_coverage(seen.answer, seen.question.answer, seen.shown)
    else:
        coverage = None
    return {
        "k_precision": or_reason(precision, NOTHING_SAID),
        "k_coverage": or_reason(coverage, "the sources hold nothing of a gold answer, or no model answered"),
    }


def citations(seen: Seen) -> Found:
    if seen.shown is None:
        return dict.fromkeys(("right_citation", "citation_precision", "citation_recall"), RETRIEVAL_OFF)
    gold = seen.question.documents
    found = citation_scores(seen.answer, seen.shown) if seen.says_something else None
    return {
        "right_citation": float(right_citation(seen.cited, gold)) if gold else NOT_FOR_IT,
        "citation_precision": or_reason(found.precision if found else None, "nothing was cited"),
        "citation_recall": or_reason(found.recall if found else None, NOTHING_SAID),
    }


def search(seen: Seen) -> Found:
    if seen.shown is None:
        return dict.fromkeys(("recall_at_k", "reciprocal_rank"), RETRIEVAL_OFF)
    gold = frozenset(seen.question.documents)
    return {
        "recall_at_k": or_reason(recall_at(seen.sources, gold, len(seen.sources)), NOT_FOR_IT),
        "reciprocal_rank": or_reason(reciprocal_rank(seen.sources, gold), NOT_FOR_IT),
    }


def style(answer: str, status: Status, demands: Style, house: HouseStyle | None) -> Found:
    """A refusal or a hand-off is the pack's own sentence, and has no style of the model's."""
    if not says_something(answer, status):
        return dict.fromkeys(STYLE, NOTHING_SAID)
    met = on_style(answer, demands.reading_grade, demands.words, tuple(demands.parts.values()))
    return {
        "on_style": or_reason(met, "it has no word"),
        "style_likeness": house.likeness(answer) if house else NO_EXAMPLES,
        "you_form": or_reason(you_form(answer), "it has no sentence"),
        "words": float(length(answer)),
        "reading_grade": or_reason(reading_grade(answer), "it has no word"),
    }


def costs(manifest: Manifest) -> Found:
    """Waiting for a place is left out: it says how many asked at once, not what an answer costs."""
    spent = sum(milliseconds for stage, milliseconds in manifest.timings.items() if stage != "wait")
    return {
        "milliseconds": round(spent, 1),
        "prompt_tokens": float(manifest.tokens.get("prompt", 0)),
        "answer_tokens": float(manifest.tokens.get("completion", 0)),
        "joules": NO_METER,
    }


def or_reason(value: float | None, reason: str) -> float | str:
    return reason if value is None else value
