"""The house style is learnt before a run: its examples against its documents' own words."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

from adapters.dataset.entries import refuses
from adapters.examples import ExampleError, StyleExample, gold_passage, read_examples
from adapters.pool import as_passage, chunks, parsed
from adapters.recipe import RecipeError, read_recipe
from ingest.documents import Passage
from ingest.parse import Parser
from ingest.sources import DiskFile
from ingest.split import Splitter
from service.evaluation.design import DesignError
from service.evaluation.house_style import HouseStyle, Learnt
from service.evaluation.metrics.distorted import distorted
from service.evaluation.metrics.sentences import sentences
from service.evaluation.metrics.style import length
from service.evaluation.paired import Interval
from service.evaluation.style_classifier import Text, cross_validated, fitted

FEWEST_EXAMPLES, FEWEST_DOCUMENTS = 50, 10
# Of the AUC, at the lower end of its interval: under it a likeness would be guessing.
GOOD_ENOUGH = 0.7
# Words of a section at most; the documents' sections are far shorter.
SECTION_WORDS = 2000


def read_house_style(recipe: Path, seed: int) -> HouseStyle:
    """Learns from the recipe's examples and documents. Raises DesignError where they cannot be read."""
    try:
        read = read_recipe(recipe)
        answers = [one for one in read_examples(read.data.examples) if not refuses(one.answer, read.no_answer)]
        return learn(texts_of(answers, read.data.documents), seed)
    except (RecipeError, ExampleError, OSError) as error:
        raise DesignError(f"The style examples of {recipe} cannot be learnt from: {error}") from error


def learn(texts: Sequence[Text], seed: int) -> HouseStyle:
    """From too few texts nothing is learnt, and a classifier that does not tell them apart is not used."""
    learnt = Learnt(
        examples=sum(one.house for one in texts),
        documents=len({one.document for one in texts}),
        sha256=hashlib.sha256(json.dumps([seed, *map(astuple, texts)]).encode()).hexdigest(),
    )
    if learnt.examples < FEWEST_EXAMPLES or learnt.documents < FEWEST_DOCUMENTS:
        return HouseStyle(learnt.model_copy(update={"missing": too_few(learnt)}), None)
    auc, interval = cross_validated(texts, seed)
    found = learnt.model_copy(update={"auc": auc, "interval": (interval.low, interval.high)})
    if interval.low < GOOD_ENOUGH:
        return HouseStyle(found.model_copy(update={"missing": not_good(auc, interval)}), None)
    return HouseStyle(found, fitted(texts))


def texts_of(examples: Iterable[StyleExample], documents: Path) -> list[Text]:
    """Each example, and as much of the section that it is about: the same facts, said by the document."""
    answers = [(one, one.document) for one in examples if one.document is not None and distorted(one.answer)]
    passages = list(read_sections(documents, sorted({document for _, document in answers})))
    return [text for example, document in answers for text in pair(example, document, passages)]


def pair(example: StyleExample, document: str, passages: Sequence[Passage]) -> Iterator[Text]:
    section = gold_passage(example, (one for one in passages if one.source == document))
    if section is not None:
        yield Text(document, example.answer, house=True)
        yield Text(document, beginning(section.text, length(example.answer)), house=False)


def beginning(text: str, words: int) -> str:
    """Whole sentences from the start, up to so many words or one sentence more: a length is no style here."""
    kept: list[str] = []
    for sentence in sentences(text):
        if sum(map(length, kept)) < words:
            kept.append(sentence)
    return " ".join(kept)


def read_sections(folder: Path, names: Iterable[str]) -> Iterator[Passage]:
    """The documents' sections, whole, as they are parsed for search. Raises ExampleError."""
    whole = Splitter(lambda text: len(text.split()), SECTION_WORDS)
    with closing(Parser()) as parser:
        for name in names:
            if not (folder / name).is_file():
                raise ExampleError(f"Examples are about {name}, which is not among the documents in {folder}.")
            document = parsed(DiskFile(name, folder / name), parser)
            yield from (as_passage(source, chunk) for source, chunk in chunks(document, whole))


def too_few(learnt: Learnt) -> str:
    return (
        f"too little to learn a style from: {learnt.examples} examples about {learnt.documents} documents; "
        f"expected {FEWEST_EXAMPLES} about {FEWEST_DOCUMENTS}"
    )


def not_good(auc: float, interval: Interval) -> str:
    return (
        f"examples and documents sound too alike: AUC {auc:.2f} ({interval.low:.2f} to {interval.high:.2f}) on "
        f"documents that were not seen; expected {GOOD_ENOUGH} at the lower end"
    )
