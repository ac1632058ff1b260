"""Style examples become training rows: rendered by the one renderer, with retrieved passages and distractors."""

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from langchain_core.messages import BaseMessage, convert_to_messages
from numpy.typing import NDArray
from pydantic import BeforeValidator, ConfigDict, PlainSerializer, TypeAdapter, ValidationError

from adapters.prompt import PromptTemplate, Turn, render
from adapters.recipe import Mix
from ingest.documents import Passage
from ingest.split import SENTENCE_END

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

VERDICT = re.compile(r"^(?:Yes|No), ")
CITE = re.compile(r"\s*\[cite\]")
# Of any script that puts something between its words.
WORD = re.compile(r"[^\W_]+")
ANSWER_WORDS = 85
TOLD = 0.25
KEPT = 0.6
ROLES = {"system": "system", "human": "user", "ai": "assistant"}

Vectors = NDArray[np.float32]


class ExampleError(ValueError):
    """A style example that cannot be used; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class StyleExample:
    """A question and its answer in the house style; `[cite]` marks what a passage says.

    `document` and `section` name the text that holds the answer; None where no document does.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    id: str
    document: str | None
    section: str | None
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Pool:
    """The passages that a split may see, with their unit vectors (n, d), and the names of documents that were left
    out: `restricted` since not everybody may read them, `unreadable` (with the reason) since nobody could.
    """

    passages: tuple[Passage, ...]
    vectors: Vectors
    restricted: frozenset[str] = frozenset()
    unreadable: tuple[tuple[str, str], ...] = ()

    def ranked(self, question: NDArray[np.float32]) -> list[Passage]:
        """All passages, the nearest to the question's unit vector (d,) first."""
        return [self.passages[i] for i in np.argsort(-(self.vectors @ question), kind="stable")]

    @property
    def sources(self) -> frozenset[str]:
        return frozenset(passage.source for passage in self.passages)

    def only(self, documents: frozenset[str]) -> "Pool":
        keep = [i for i, passage in enumerate(self.passages) if passage.source in documents]
        return Pool(tuple(self.passages[i] for i in keep), self.vectors[keep], self.restricted, self.unreadable)


def as_dicts(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    """LangChain's messages as the dictionaries that chat templates take."""
    return [{"role": ROLES[message.type], "content": str(message.content)} for message in messages]


@dataclass(frozen=True, slots=True)
class Row:
    """One training row: what the model sees, and what it should say."""

    example: str
    messages: Annotated[tuple[BaseMessage, ...], BeforeValidator(convert_to_messages), PlainSerializer(as_dicts)]
    completion: str


def read_examples(paths: Iterable[Path]) -> list[StyleExample]:
    """Read JSONL files; raises ExampleError at the first line that is not an example."""
    as_example = TypeAdapter(StyleExample)
    examples = []
    for path in paths:
        for number, line in enumerate(lines_of(path), start=1):
            try:
                examples.append(as_example.validate_json(line, strict=True))
            except ValidationError as error:
                raise ExampleError(f"{path}, line {number}: not a style example: {error}") from error
    return examples


def lines_of(path: Path) -> list[str]:
    try:
        # Without the mark that Windows puts first. Not splitlines(): that also cuts at line separators which JSON
        # allows inside a string.
        return path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ExampleError(f"{path} cannot be read: {error}") from error


def split_examples(
    examples: Sequence[StyleExample], validation: frozenset[str], held_back: frozenset[str]
) -> tuple[list[StyleExample], list[StyleExample]]:
    """Training and validation examples, by document; every tenth refusal goes to validation."""
    leaked = sorted({e.document for e in examples if e.document in held_back and e.document})
    if leaked:
        raise ExampleError(f"Held-back documents have style examples: {', '.join(leaked)}. Take them out.")
    refusals = [e for e in examples if e.document is None]
    chosen = {*refusals[::10], *(e for e in examples if e.document in validation)}
    return [e for e in examples if e not in chosen], [e for e in examples if e in chosen]


def make_rows(
    examples: Sequence[StyleExample],
    questions: Vectors,
    pool: Pool,
    template: PromptTemplate,
    mix: Mix,
    no_answer: str,
    seed: int,
) -> list[Row]:
    """Rows for the examples, whose questions have the unit vectors (n, d), with passages out of the pool."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    rows = []
    for example, vector in zip(examples, questions, strict=True):
        gold = gold_passage(example, pool.passages)
        if gold is None and mix.refusals < 1 and chance.random() >= mix.refusals:
            continue
        for ranked in variants(pool.ranked(vector), gold, mix, chance):
            history = earlier(example, examples, chance) if chance.random() < mix.with_history else ()
            prompt = None if chance.random() < mix.without_prompt else template
            shown = with_gold(ranked, gold, mix, chance)
            messages = render(prompt, example.question, shown, history)
            rows.append(row(phrased(example, mix), messages, shown, gold, no_answer))
            if gold and chance.random() < mix.without_gold:
                others = [p for p in ranked if p.document_id != gold.document_id][: mix.passages]
                rows.append(
                    row(example, render(prompt, example.question, others, history), others, None, no_answer)
                )
            if chance.random() < mix.without_retrieval:
                rows.append(row(example, render(prompt, example.question, None, history), (), None, no_answer))
    return rows


def phrased(example: StyleExample, mix: Mix) -> StyleExample:
    """The example, without its verdict where the recipe wants none: a small model says "No," by habit."""
    bare = VERDICT.sub("", example.answer)
    return example if mix.yes_no else replace(example, answer=bare[:1].upper() + bare[1:])


def variants(
    ranked: list[Passage], gold: Passage | None, mix: Mix, chance: random.Random
) -> Iterator[list[Passage]]:
    """The ranking as it is, then again with some of the near passages left out, so that others are seen.

    A refusal comes once: which passages do not hold the answer changes little, and refusals would be too many.
    """
    yield ranked
    for _ in range(mix.variants - 1 if gold else 0):
        yield [passage for passage in ranked if passage == gold or chance.random() < KEPT]


def with_gold(ranked: Sequence[Passage], gold: Passage | None, mix: Mix, chance: random.Random) -> list[Passage]:
    """The nearest passages in their order, the right one among them: first where the search did not find it.

    So its place says as much in training as in serving, where the first passage is right in three of four cases.
    """
    shown = list(ranked[: mix.passages])
    if gold and gold not in shown:
        shown = [gold, *shown[:-1]]
    if chance.random() < mix.shuffled:
        chance.shuffle(shown)
    return shown


def row(
    example: StyleExample,
    messages: list[BaseMessage],
    shown: Sequence[Passage],
    gold: Passage | None,
    no_answer: str,
) -> Row:
    if gold is None:
        return Row(example.id, tuple(messages), no_answer)
    answer = completed(example.answer, gold.text, ANSWER_WORDS)
    return Row(example.id, tuple(messages), cited(answer, shown.index(gold) + 1))


def completed(answer: str, passage: str, most_words: int) -> str:
    """The answer's first sentence, then the passage's others in their order, as far as they fit.

    A small base finds the right passage far more often than the right sentence in it; so an answer goes on with the
    passage, and ends as the passage ends: with what to do next.
    """
    sentences = [sentence for sentence in SENTENCE_END.split(" ".join(passage.split())) if sentence]
    first, *rest = SENTENCE_END.split(answer)
    told = words(first)
    kept = [sentence for sentence in sentences if len(words(sentence) - told) > len(words(sentence)) * TOLD]
    while kept and len(" ".join((first, *kept)).split()) > most_words:
        kept.pop(-2 if len(kept) > 1 else -1)
    return " ".join((first, *(kept or rest)))


def cited(answer: str, number: int) -> str:
    """The answer with the passage's number at its first mark, and no other mark.

    After the first sentence: to cite a passage whose words it has just copied is easier than to choose it unseen.
    """
    return CITE.sub("", CITE.sub(f" [{number}]", answer, count=1))


def gold_passage(example: StyleExample, passages: Iterable[Passage]) -> Passage | None:
    """The passage of the example's section that shares most words with its answer; None for a refusal.

    Raises ExampleError where the example's document has no passage: the model would learn to refuse.
    """
    if example.document is None:
        return None
    answer = words(example.answer)

    def fit(passage: Passage) -> tuple[bool, int]:
        placed = example.section in passage.headings if example.section else not passage.headings
        return placed, len(answer & words(passage.text))

    candidates = [p for p in passages if p.source == example.document]
    if not candidates:
        raise ExampleError(
            f"The example {example.id} is about {example.document}, which is not among the documents."
        )
    return max(candidates, key=fit)


def earlier(example: StyleExample, examples: Sequence[StyleExample], chance: random.Random) -> tuple[Turn, ...]:
    """One earlier turn about the same document, as a conversation would have it."""
    others = [e for e in examples if e.document == example.document and e.section != example.section]
    if not others:
        return ()
    other = chance.choice(others)
    return (Turn(other.question, cited(other.answer, 1)),)


def words(text: str) -> set[str]:
    return set(WORD.findall(text.lower()))


def tokens(row: Row, tokenizer: "PreTrainedTokenizerBase") -> int:
    """How long the whole row is in the base's tokens, its chat template included."""
    messages = [*as_dicts(row.messages), {"role": "assistant", "content": row.completion}]
    return len(tokenizer.apply_chat_template(messages, return_dict=True)["input_ids"])
