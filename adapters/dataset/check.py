"""The check of a recipe's examples, or of a file of them: every finding at once, before any training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.dataset import findings as find
from adapters.dataset.entries import Entry, Finding, Read, Told, answers_of, refuses
from adapters.dataset.near import near_across, near_earlier, place_in
from adapters.dataset.read import read_plain, read_questions
from adapters.dataset.report import Report
from adapters.examples import Pool, Vectors, make_rows, split_examples, tokens
from adapters.prompt import PromptTemplate
from adapters.recipe import Data, RankingRecipe, Recipe, SearchRecipe
from ingest.embed import Embedder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# The places of the evaluation's questions, and their vectors; None where there are none.
Evaluation = tuple[list[str], Vectors] | None
LEARNING_CURVE = "what more examples would bring: `triptych adapters curve` trains on fewer of them to tell."
NAMES = "names of people: personal data is found by its form."
LABELS = (
    "labels of documents that this data folder's library does not hold: only those in a document itself are seen."
)
LENGTHS = "the length of questions: of a long one only a part is read."
FILE_ALONE = "leaks and the length in tokens: they need a recipe."
NO_DOCUMENTS = "facts of answers without passages, and whether a document holds them: they need --documents."


@dataclass(frozen=True, slots=True)
class Examined:
    """Examples with the pages that they are about; `questions` (n, d) are the vectors of the full ones."""

    read: Read
    entries: list[Entry]
    questions: Vectors
    pool: Pool


def examined(told: Told, embedder: Embedder) -> Examined:
    entries = full(told.read.entries)
    questions = embedder.embed_queries([entry.example.question for entry in entries])
    return Examined(told.read, entries, questions, told.pool)


def check_recipe(
    recipe: Recipe,
    told: Told,
    others: Told | None,
    embedder: Embedder,
    template: PromptTemplate,
    tokenizer: "PreTrainedTokenizerBase",
) -> Report:
    """`told` are the recipe's examples with all documents, the held-back ones too; `others` are of other pages.

    Raises ExampleError for unreadable questions.
    """
    own, other = examined(told, embedder), examined(others, embedder) if others else None
    found = in_both(recipe.data, own, other, embedder, recipe.no_answer)
    for some in (own, other) if other else (own,):
        found += too_long(recipe, some, template, tokenizer)
    return report_of(own, other, found, recipe.no_answer, (LABELS, NAMES, LEARNING_CURVE))


def check_search_recipe(
    recipe: SearchRecipe | RankingRecipe,
    told: Told,
    others: Told | None,
    embedder: Embedder,
    no_answer: str,
) -> Report:
    """The same for an embedder's adapter and for a ranker.

    Answers too: a passage that does not hold its answer is the wrong one.
    """
    own, other = examined(told, embedder), examined(others, embedder) if others else None
    found = in_both(recipe.data, own, other, embedder, no_answer)
    return report_of(own, other, found, no_answer, (LABELS, NAMES, LENGTHS))


def in_both(data: Data, own: Examined, other: Examined | None, embedder: Embedder, no_answer: str) -> list[Finding]:
    """All that does not depend on what learns from the examples."""
    evaluation = evaluation_of(data, embedder)
    return [
        *find.shared_ids([*own.entries, *(other.entries if other else ())]),
        *in_one(own, embedder, no_answer),
        *leaks(data, own.entries, own.questions, evaluation),
        *find.balance(own.entries, answers_of(own.entries, no_answer)),
        *(of_elsewhere(other, evaluation, embedder, no_answer) if other else ()),
    ]


def of_elsewhere(other: Examined, evaluation: Evaluation, embedder: Embedder, no_answer: str) -> list[Finding]:
    """Examples about other pages: all are for training, but none may ask what the evaluation asks."""
    places = [entry.place for entry in other.entries]
    return in_one(other, embedder, no_answer) + evaluated(evaluation, places, other.questions)


def in_one(some: Examined, embedder: Embedder, no_answer: str) -> list[Finding]:
    """What is wrong with examples and their own pages, whatever else is trained on."""
    entries, pool = some.entries, some.pool
    answers = answers_of(entries, no_answer)
    return [
        *some.read.findings,
        *find.unreadable(pool),
        *find.empty(some.read.entries),
        *find.misplaced(entries, pool.sources, pool.restricted, no_answer),
        *find.unknown_sections(entries, pool.passages),
        *repeated(entries, answers, some.questions, embedder),
        *find.personal(entries, public(pool, no_answer)),
        *find.unsupported(with_passages(entries, pool), pool.passages),
        *find.style(answers),
    ]


def check_file(path: Path, pool: Pool | None, embedder: Embedder, no_answer: str) -> tuple[Report, list[Entry]]:
    """The report, and the entries that could be turned into style examples. Raises ExampleError."""
    read = read_plain(path)
    entries = full(read.entries)
    questions = embedder.embed_queries([entry.example.question for entry in entries])
    answers = answers_of(entries, no_answer)
    turned, unplaced = with_documents(entries, pool, embedder, no_answer)
    found = [
        *read.findings,
        *find.unreadable(pool),
        *unplaced,
        *find.shared_ids(entries),
        *find.empty(read.entries),
        *repeated(entries, answers, questions, embedder),
        *find.personal(entries, public(pool, no_answer)),
        *find.unsupported(with_passages(turned, pool), pool.passages if pool else ()),
        *find.style(answers),
        *find.balance(entries, answers),
    ]
    left_out = (FILE_ALONE, LABELS if pool else NO_DOCUMENTS, NAMES, LEARNING_CURVE)
    return Report(places_of(read), tuple(found), figures_of(read, no_answer), left_out), turned


def report_of(
    own: Examined, other: Examined | None, found: Sequence[Finding], no_answer: str, left_out: tuple[str, ...]
) -> Report:
    figures = figures_of(own.read, no_answer)
    if other:
        elsewhere = figures_of(other.read, no_answer)
        figures |= {f"{name} about other pages": count for name, count in elsewhere.items()}
    others = places_of(other.read) if other else ()
    return Report(places_of(own.read), tuple(found), figures, left_out, others)


def places_of(read: Read) -> tuple[str, ...]:
    return tuple(entry.place for entry in read.entries)


def figures_of(read: Read, no_answer: str) -> dict[str, int]:
    entries = full(read.entries)
    answers = len(answers_of(entries, no_answer))
    figures = {"examples": len(read.entries), "answers": answers, "refusals": len(entries) - answers}
    return figures | {f"decisions {name}": count for name, count in find.decisions(read.entries).items()}


def full(entries: Sequence[Entry]) -> list[Entry]:
    """Without the empty ones, which are told once."""
    return [entry for entry in entries if entry.example.question.strip() and entry.text.strip()]


def public(pool: Pool | None, no_answer: str) -> str:
    """What the house says to everybody: its documents, and its refusal with the number to call."""
    passages = pool.passages if pool else ()
    return "\n".join([no_answer, *(passage.text for passage in passages)])


def with_passages(entries: Sequence[Entry], pool: Pool | None) -> list[Entry]:
    """Those whose facts can be looked up."""
    sources = pool.sources if pool else frozenset()
    return [entry for entry in entries if entry.passages or entry.example.document in sources]


def repeated(
    entries: Sequence[Entry], answers: Sequence[Entry], questions: Vectors, embedder: Embedder
) -> list[Finding]:
    """Refusals share their answer, so only their questions can make them duplicates."""
    whole = embedder.embed([f"{entry.example.question}\n{entry.text}" for entry in answers])
    return [
        *find.duplicates(entries),
        *near_earlier([entry.place for entry in answers], whole, "near-duplicate", "question and answer"),
        *near_earlier([entry.place for entry in entries], questions, "near-question", "its question"),
    ]


def leaks(data: Data, entries: Sequence[Entry], questions: Vectors, evaluation: Evaluation) -> list[Finding]:
    """Between training, validation and what scores are made on: the same document, or nearly the same question."""
    held_back = [Finding("leak", e.place, f"{e.example.document} is held back") for e in entries if held(e, data)]
    both = sorted({*data.validation} & {*data.held_back})
    doubled = [Finding("leak", "the recipe", f"{name} is for validation and held back") for name in both]
    rest = [entry.example for entry in entries if not held(entry, data)]
    validating = set(split_examples(rest, frozenset(data.validation), frozenset(data.held_back))[1])
    second = [n for n, entry in enumerate(entries) if entry.example in validating]
    first = [n for n in range(len(entries)) if n not in set(second)]
    places = [entry.place for entry in entries]
    later = [places[n] for n in second]
    across = near_across([places[n] for n in first], questions[first], later, questions[second], "for validation")
    return [*held_back, *doubled, *across, *evaluated(evaluation, places, questions)]


def held(entry: Entry, data: Data) -> bool:
    return entry.example.document in data.held_back


def evaluation_of(data: Data, embedder: Embedder) -> Evaluation:
    if data.questions is None:
        return None
    others = read_questions(data.questions)
    return [place for place, _ in others], embedder.embed_queries([text for _, text in others])


def evaluated(evaluation: Evaluation, places: Sequence[str], questions: Vectors) -> list[Finding]:
    return list(near_across(places, questions, *evaluation, "of the evaluation")) if evaluation else []


def too_long(
    recipe: Recipe, some: Examined, template: PromptTemplate, tokenizer: "PreTrainedTokenizerBase"
) -> list[Finding]:
    """Rows as training renders them, with passages, against `max_tokens`."""
    sources = {*some.pool.sources, None}
    kept = [number for number, entry in enumerate(some.entries) if entry.example.document in sources]
    examples = [some.entries[number].example for number in kept]
    place = {some.entries[number].example.id: some.entries[number].place for number in kept}
    longest: dict[str, int] = {}
    for row in make_rows(
        examples, some.questions[kept], some.pool, template, recipe.mix, recipe.no_answer, recipe.training.seed
    ):
        where = place[row.example]
        longest[where] = max(tokens(row, tokenizer), longest.get(where, 0))
    most = recipe.training.max_tokens
    return [
        Finding("too-long", where, f"a row of {length} tokens, over the recipe's {most}")
        for where, length in longest.items()
        if length > most
    ]


def with_documents(
    entries: Sequence[Entry], pool: Pool | None, embedder: Embedder, no_answer: str
) -> tuple[list[Entry], list[Finding]]:
    """Entries with the document that holds their answer; refusals as they are; findings for the others."""
    if pool is None:
        return list(entries), []
    sources = pool.sources
    vectors = embedder.embed([f"{entry.example.question}\n{entry.text}" for entry in entries])
    results: list[Entry | Finding] = []
    for entry, vector in zip(entries, vectors, strict=True):
        known = entry.example.document in sources or refuses(entry.example.answer, no_answer)
        results.append(entry if known else place_in(entry, vector, pool))
    turned = [result for result in results if isinstance(result, Entry)]
    return turned, [result for result in results if isinstance(result, Finding)]
