"""Answers that people liked, corrected or reviewed become proposals of style examples, or are left out."""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from adapters.dataset.entries import refuses, wording
from adapters.dataset.near import HELD, near_across
from adapters.examples import CITE, StyleExample, words
from adapters.prompt import CITATION
from ingest.embed import Embedder
from ingest.personal import personal_data, redact
from ingest.split import SENTENCE_END

Kind = Literal["liked", "corrected", "reviewed", "disliked"]
# A question and an answer, equal whatever case and punctuation.
Key = tuple[str, str]
# An abbreviation's full stop and, after a citation between them, the sentence's.
TWO_STOPS = re.compile(r"(?<!\.)\.\.(?!\.)")
LEFT_OUT: Mapping[str, str] = {
    "emergency": "the answer was an emergency's hand-off",
    "refusal": "the answer was the refusal, which is trained from examples of its own",
    "follow_up": "the question goes on from an earlier one, which an example cannot hold",
    "no_document": "no passage that was shown holds the answer",
    "restricted": "a document that was shown with it is gone, or not for everybody",
    "passage_gone": "its passage is no longer in the library",
    "held_back": "its document, or one that it cites, is held back for the scores",
    "duplicate": "the same question with the same answer is proposed already",
    "called_wrong": "somebody called the same answer to the same question wrong",
    "evaluation": "its question is nearly one of the evaluation's",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A passage that an answer was made from. `text` is what stands in its place now; None where nothing does.
    `public` is whether everybody may read its document.
    """

    number: int
    document: str
    section: str | None
    text: str | None
    public: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer, and the latest word on it.

    `word` is that word's number, 0 where nobody said one. `path` and `made_by` are the manifest's. `public` is
    what looks personal in the passages' documents, and may stay.
    """

    message: str
    word: int
    kind: Kind
    question: str
    answer: str
    corrected: str | None
    evidence_wrong: bool
    follow_up: bool
    path: str
    passages: tuple[Shown, ...]
    public: frozenset[str]
    answered: str
    judged: str | None
    made_by: Mapping[str, Any]

    @property
    def id(self) -> str:
        """One for each word on the answer: who changes their mind makes another proposal."""
        return f"h-{hashlib.sha256(f'{self.message} {self.word}'.encode()).hexdigest()[:12]}"

    @property
    def wanted(self) -> str:
        return self.corrected or self.answer

    @property
    def called_wrong(self) -> bool:
        """A correction of commas and capitals says nothing against the answer."""
        return self.kind == "disliked" or (self.kind == "corrected" and self.key(self.wanted) != self.key())

    def key(self, answer: str | None = None) -> Key:
        """As a proposal of the answer that was given, or of this one, would have it."""
        return key_of(self.told_question, self.told(self.answer if answer is None else answer))

    @property
    def told_question(self) -> str:
        """Without personal data."""
        return redact(self.question.strip(), self.public)

    def told(self, answer: str) -> str:
        """As an example has it, without personal data."""
        return marked(redact(answer, self.public))


@dataclass(frozen=True, slots=True)
class Proposal:
    """A style example that nobody has decided on, without personal data, and where it came from."""

    id: str
    kind: Kind
    question: str
    answer: str
    document: str
    section: str | None
    message: str
    word: int
    answered: str
    judged: str | None
    made_by: Mapping[str, Any]
    public: tuple[str, ...]

    @property
    def key(self) -> Key:
        return key_of(self.question, self.answer)

    def example(self, answer: str) -> StyleExample:
        return StyleExample(self.id, self.document, self.section, self.question, answer)


@dataclass(frozen=True, slots=True)
class Rules:
    """What no example may be: a refusal, about a held-back document, or a question of the evaluation.

    `questions` are pairs of place and text.
    """

    refusals: tuple[str, ...]
    held_back: frozenset[str]
    questions: tuple[tuple[str, str], ...]


def key_of(question: str, answer: str) -> Key:
    return wording(question), wording(CITE.sub("", answer))


def called_wrong(answers: Iterable[Judged]) -> dict[Key, str]:
    """Question and answer -> when somebody last called it wrong."""
    wrong = sorted((one for one in answers if one.called_wrong), key=lambda one: one.judged or "")
    return {one.key(): one.judged or "" for one in wrong}


def proposals_of(
    answers: Iterable[Judged],
    rules: Rules,
    there: Iterable[Proposal],
    embedder: Embedder,
    wrong: Collection[Key] = (),
) -> tuple[list[Proposal], Counter[str]]:
    """New proposals beside those that are there, and how many answers were left out for which reason.

    `wrong` is what somebody called wrong, in whichever conversation.
    """
    keys = {proposal.key for proposal in there}
    found: list[Proposal] = []
    left_out: Counter[str] = Counter()
    for judged in answers:
        if judged.kind != "disliked":
            proposal = proposed(judged, rules)
            if isinstance(proposal, Proposal) and proposal.key in keys:
                proposal = "duplicate"
            if isinstance(proposal, Proposal) and proposal.key in wrong:
                proposal = "called_wrong"
            if isinstance(proposal, Proposal):
                keys.add(proposal.key)
                found.append(proposal)
            else:
                left_out[proposal] += 1
    asked = evaluated(found, rules.questions, embedder)
    left_out["evaluation"] = len(asked)
    return [proposal for proposal in found if proposal.id not in asked], +left_out


def proposed(judged: Judged, rules: Rules) -> Proposal | str:
    """The proposal, or the reason against one."""
    if judged.path == "emergency":
        return "emergency"
    if judged.path == "no_sources" or any(refuses(bare(judged.wanted), text) for text in rules.refusals):
        return "refusal"
    if judged.follow_up:
        return "follow_up"
    if not all(one.public for one in judged.passages):
        # Any sentence of the answer may be from there.
        return "restricted"
    source = source_of(judged)
    if source is None:
        return "passage_gone" if any(one.text is None for one in judged.passages) else "no_document"
    if {source.document, *cited_documents(judged)} & rules.held_back:
        return "held_back"
    return as_proposal(judged, source)


def cited_documents(judged: Judged) -> list[str]:
    cited = cited_numbers(judged.wanted)
    return [one.document for one in judged.passages if one.number in cited]


def cited_numbers(answer: str) -> frozenset[int]:
    return frozenset(int(number) for number in CITATION.findall(answer))


def as_proposal(judged: Judged, source: Shown) -> Proposal:
    return Proposal(
        id=judged.id,
        kind=judged.kind,
        question=judged.told_question,
        answer=judged.told(judged.wanted),
        document=source.document,
        section=source.section,
        message=judged.message,
        word=judged.word,
        answered=judged.answered,
        judged=judged.judged,
        made_by=judged.made_by,
        public=tuple(sorted(judged.public)),
    )


def source_of(judged: Judged) -> Shown | None:
    """The shown passage that holds most of the answer, if it holds enough.

    Which one the answer cites does not decide: a small base often cites the wrong one. But where a person says
    that the evidence was wrong, it was not the cited one.
    """
    cited = cited_numbers(judged.answer) if judged.evidence_wrong else frozenset()
    told = words(CITATION.sub("", judged.wanted))

    def share(passage: Shown) -> float:
        return len(told & words(f"{passage.section} {passage.text}")) / max(len(told), 1)

    usable = [one for one in judged.passages if one.text is not None and one.number not in cited]
    best = max(usable, key=share, default=None)
    return best if best and share(best) >= HELD else None


def evaluated(
    proposals: Sequence[Proposal], questions: Sequence[tuple[str, str]], embedder: Embedder
) -> frozenset[str]:
    """Ids of proposals that ask nearly what the evaluation asks, measured as before a training."""
    if not proposals or not questions:
        return frozenset()
    ids = [proposal.id for proposal in proposals]
    asked = embedder.embed_queries([proposal.question for proposal in proposals])
    others = embedder.embed_queries([text for _, text in questions])
    leaks = near_across(ids, asked, [place for place, _ in questions], others, "of the evaluation")
    return frozenset(leak.place for leak in leaks)


def public_in(texts: Iterable[str]) -> frozenset[str]:
    """What looks personal in documents that everybody may read, such as the hospital's own telephone numbers."""
    return frozenset(value for text in texts for _, value in personal_data(text))


def bare(answer: str) -> str:
    """Without marks, and without the second full stop that a mark leaves behind in "8 p.m. [1]."."""
    return TWO_STOPS.sub(".", CITE.sub("", CITATION.sub("", answer))).strip()


def marked(answer: str) -> str:
    """The answer as style examples have it: `[cite]` at the end of what the passage says, its first sentence."""
    if CITE.search(answer):
        return CITATION.sub("", answer).strip()
    first, *rest = SENTENCE_END.split(bare(answer), maxsplit=1)
    return " ".join((re.sub(r"\s*([.!?]*)$", r" [cite]\1", first, count=1).strip(), *rest))
