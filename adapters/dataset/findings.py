"""What can be wrong with examples: each check a pure function from entries to findings."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set

from adapters.dataset.entries import Entry, Finding, refuses, wording
from adapters.dataset.facts import missing_facts
from adapters.examples import CITE, Pool, gold_passage
from ingest.documents import Passage
from ingest.personal import personal_data

MOST_WORDS = 90
REFUSALS = (0.03, 0.25)
SMALLEST_CLASS = 0.1
DECISION = re.compile(r"decision[:=]\s*(.+)")
YOU = re.compile(r"\b(?:you|your|yours|yourself)\b", re.I)
VERBS = (
    "add|arrive|ask|book|bring|buy|call|check|choose|click|come|contact|do|drop|eat|email|enter|fill|find|follow|get|"
    "give|go|have|hold|keep|leave|let|look|make|open|pay|phone|pick|plan|press|put|read|report|say|schedule|see|"
    "send|show|sign|speak|start|stay|stop|take|talk|tell|text|touch|turn|use|visit|wait|wash|wear|write"
)
# An instruction begins a sentence or a clause ("If you are late, call ..."), or says what one can or must do.
NEXT_STEP = re.compile(
    rf"(?:^|[.!?:;,]\s+|\b(?:please|and|then|or|so|to|not|always)\s+)(?:{VERBS})\b"
    r"|\byou (?:can|may|must|need|should|have to|will)\b",
    re.I,
)


def empty(entries: Iterable[Entry]) -> Iterator[Finding]:
    for entry in entries:
        blank = [
            n for n, text in (("question", entry.example.question), ("answer", entry.text)) if not text.strip()
        ]
        if blank:
            yield Finding("empty", entry.place, f"the {' and the '.join(blank)} is empty")


def shared_ids(entries: Iterable[Entry]) -> Iterator[Finding]:
    """Rows and cards name examples by their id."""
    first: dict[str, str] = {}
    for entry in entries:
        if entry.example.id in first:
            message = f"the id {entry.example.id!r} is already that of {first[entry.example.id]}"
            yield Finding("shape", entry.place, message)
        first.setdefault(entry.example.id, entry.place)


def misplaced(
    entries: Iterable[Entry], sources: Set[str], restricted: Set[str], no_answer: str
) -> Iterator[Finding]:
    """Examples that training would refuse, or render otherwise than they say; `sources` are the documents, without
    the `restricted` ones.
    """
    for entry in entries:
        document = entry.example.document
        if document is None and not refuses(entry.example.answer, no_answer):
            message = "names no document, so it trains the refusal: its own answer is never seen"
            yield Finding("shape", entry.place, message)
        if document in restricted:
            message = (
                f"{document} is not for everybody, by its own labels or by the library's, and an adapter says "
                "to all what it learned"
            )
            yield Finding("access", entry.place, message)
        elif document is not None and document not in sources:
            yield Finding("shape", entry.place, f"{document} is not among the documents")
        elif document is not None and refuses(entry.example.answer, no_answer):
            yield Finding("shape", entry.place, f"refuses, but names {document} as its document")


def unreadable(pool: Pool | None) -> Iterator[Finding]:
    """Files that training goes without; an example about one is told as any that names no document."""
    for source, reason in pool.unreadable if pool else ():
        yield Finding("unreadable", source, f"left out. {reason}")


def unknown_sections(entries: Iterable[Entry], pool: Sequence[Passage]) -> Iterator[Finding]:
    sections = {(passage.source, heading) for passage in pool for heading in passage.headings}
    sources = {passage.source for passage in pool}
    for entry in entries:
        document, section = entry.example.document, entry.example.section
        if document in sources and section is not None and (document, section) not in sections:
            yield Finding("section", entry.place, f"{document} has no section {section!r}")


def duplicates(entries: Iterable[Entry]) -> Iterator[Finding]:
    """The same words in question and answer, whatever case and punctuation."""
    first: dict[tuple[str, str], str] = {}
    for entry in entries:
        key = wording(entry.example.question), wording(entry.text)
        if key in first:
            yield Finding("duplicate", entry.place, f"the same as {first[key]}")
        first.setdefault(key, entry.place)


def personal(entries: Iterable[Entry], known: str) -> Iterator[Finding]:
    """What looks personal and is not public anyway: `known` is the text of the documents.

    The message names the kind and never the value. Names of people are not recognised.
    """
    for entry in entries:
        texts = (entry.example.question, entry.example.answer, *entry.passages)
        found = [kind for text in texts for kind, value in personal_data(text) if value not in known]
        if found:
            kinds = ", ".join(sorted(set(found)))
            yield Finding("personal", entry.place, f"looks like personal data ({kinds}) that no document holds")


def unsupported(entries: Iterable[Entry], pool: Sequence[Passage]) -> Iterator[Finding]:
    """Facts of an answer that neither its passage nor its question has."""
    for entry in entries:
        missing = missing_facts(entry.text, f"{gold_text(entry, pool)}\n{entry.example.question}")
        if missing:
            elsewhere = "\n".join(p.text for p in pool if p.source == entry.example.document)
            unknown = set(missing_facts(" | ".join(missing), elsewhere))
            told = (f"{fact} ({'nowhere' if fact in unknown else 'elsewhere'} in the document)" for fact in missing)
            yield Finding("facts", entry.place, f"not in its passage: {', '.join(told)}")


def gold_text(entry: Entry, pool: Sequence[Passage]) -> str:
    """The passages that the file gives for it; else the one that training shows."""
    gold = None if entry.passages else gold_passage(entry.example, pool)
    return f"{gold.place}\n{gold.text}" if gold else "\n".join(entry.passages)


def style(answers: Iterable[Entry]) -> Iterator[Finding]:
    """Answers outside the house style; refusals have a wording of their own."""
    for entry in answers:
        length = len(entry.text.split())
        if length > MOST_WORDS:
            yield Finding("long-answer", entry.place, f"{length} words; at most {MOST_WORDS} are meant to be")
        if not CITE.search(entry.example.answer):
            yield Finding("no-citation", entry.place, "no [cite] in the answer")
        if not YOU.search(entry.text):
            yield Finding("not-you", entry.place, "does not speak to the reader as you")
        if not NEXT_STEP.search(entry.text):
            yield Finding("no-next-step", entry.place, "does not say what to do next")


def balance(entries: Sequence[Entry], answers: Sequence[Entry]) -> Iterator[Finding]:
    """Too few or too many refusals, and decisions that hardly occur."""
    least, most = REFUSALS
    share = 1 - len(answers) / len(entries) if entries else 0
    if entries and not least <= share <= most:
        message = f"{share:.1%} of the examples are refusals; {least:.0%} to {most:.0%} teach when to refuse"
        yield Finding("balance", "all examples", message)
    classes = decisions(entries)
    for name, count in classes.items():
        if count < classes.total() * SMALLEST_CLASS:
            message = f"only {count} of {classes.total()} decisions are {name!r}"
            yield Finding("balance", "all examples", message)


def decisions(entries: Iterable[Entry]) -> Counter[str]:
    """How often each `decision:...` tag occurs."""
    tags = (DECISION.fullmatch(tag) for entry in entries for tag in entry.tags)
    return Counter(match[1] for match in tags if match)
