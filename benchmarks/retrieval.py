"""How well dense, keyword and fused search find the right page or section; two printed tables."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import log2
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from shared_data import Task, medquad, scifact, skip_without_data, va

from adapters.prompt import Turn
from configs.load import HOSPITAL, load_settings
from configs.settings import Settings
from ingest.build import embedder_of, opened_corpus
from ingest.corpus import Corpus
from ingest.documents import PUBLIC, Hit, Passage
from ingest.owner import OwnerLock
from ingest.report import Progress
from ingest.sources import SourceFile, discover
from ingest.split import Splitter
from ingest.sync import sync
from service.build_search import retriever_of
from service.evaluation.questions import read_questions
from service.retrieve import HybridRetriever, Search, searchable

WITHOUT_LIMIT = 1_000_000
PAGES = 0.99
# The hospital's settings put other values in place of these.
AS_BY_DEFAULT = {
    "TRIPTYCH__EMBEDDER__ADAPTER": "null",
    "TRIPTYCH__LAYERS__RETRIEVAL__CANDIDATES": "100",
    "TRIPTYCH__LAYERS__RETRIEVAL__DENSE_WEIGHT": "0.6",
}
UNRELATED = (
    "who won the football game",
    "What is the capital of Australia?",
    "how do i change the oil in my car",
    "Can you write a poem about the sea?",
    "best pizza recipe with mozzarella",
    "Who painted the Mona Lisa?",
    "what will the weather be like on mars",
    "How do I sort a list in Python?",
    "which stocks should i buy right now",
    "When did the Roman Empire fall?",
    "how far away is the moon",
    "Translate 'good morning' into Japanese",
)


def main(arguments: argparse.Namespace) -> None:
    with TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        print_row("nDCG@10 / hit@1", "questions", "dense", "keyword", "fused", "fused, pages")
        for task in (scifact(), va("2019-02"), va("2019-02", headings=False), medquad(200)):
            for sentences in ("off", "on") if arguments.sentences else ("off",):
                page_search(task, folder, arguments.adapted, sentences)
        hospital(folder / "hospital")


def page_search(task: Task, folder: Path, adapted: bool, sentences: str) -> None:
    """Chunks are searched, pages are ranked: by their best chunk, and at last by what is anywhere on them."""
    name = f"{task.name}, by sentence" if sentences == "on" else task.name
    values = {
        "TRIPTYCH__DATA__FOLDER": str(folder / name.replace(" ", "-")),
        "TRIPTYCH__SPLITTER__SENTENCES": f"'{sentences}'",
    }
    settings = load_settings(None, values | ({} if adapted else AS_BY_DEFAULT)).settings
    with ingested(settings, task.files, task.whole) as corpus:
        search = Search(corpus, searchable(corpus).id, frozenset({PUBLIC}), settings.layers.retrieval.candidates)
        vectors, worded = corpus.embedder.embed_queries(task.questions), search.keyword(task.questions)
        dense, found = search.candidates(vectors, worded, 10)
        near = own(search.cosines(vectors, found), dense, worded)
        cells = []
        *alone, fused = retrievers(settings, corpus)
        for retriever in (*alone, fused, fused.model_copy(update={"page_weight": PAGES})):
            pages = [
                ranked(retriever.scores(*one, found), found)
                for one in zip(task.questions, near, worded, strict=True)
            ]
            cells.append(figures(pages, task))
    print_row(name, str(len(task.questions)), *cells)


def figures(rankings: Sequence[list[str]], task: Task) -> str:
    judged = list(zip(rankings, task.relevant, strict=True))
    hit = fmean(bool(ranking) and ranking[0] in gold for ranking, gold in judged)
    return f"{fmean(ndcg(*one) for one in judged):.3f} / {hit:.3f}"


def own(cosines: Sequence[list[Hit]], *searches: Sequence[Sequence[Hit]]) -> list[list[Hit]]:
    """For each question, the cosines of what one of its own searches found."""
    candidates = [{hit.chunk_id for hits in some for hit in hits} for some in zip(*searches, strict=True)]
    return [[hit for hit in hits if hit.chunk_id in ids] for hits, ids in zip(cosines, candidates, strict=True)]


def retrievers(settings: Settings, corpus: Corpus) -> list[HybridRetriever]:
    """The product's own, with dense search alone, keyword search alone, and both as configured."""
    fused = retriever_of(settings, corpus)
    return [fused.model_copy(update={"dense_weight": weight}) for weight in (1.0, 0.0, fused.dense_weight)]


def ranked(scores: Mapping[str, float], found: Mapping[str, Passage]) -> list[str]:
    chunks = sorted((id for id, score in scores.items() if score > 0), key=lambda id: (-scores[id], id))
    return list(dict.fromkeys(found[id].source for id in chunks))


def ndcg(ranking: Sequence[str], relevant: frozenset[str]) -> float:
    gains = [1 / log2(rank + 2) for rank in range(10)]
    found = sum(gain for gain, page in zip(gains, ranking, strict=False) if page in relevant)
    return found / sum(gains[: len(relevant)])


def hospital(folder: Path) -> None:
    """The gold section among three passages, and what the cut-off keeps of it and keeps out."""
    settings = load_settings(None, {"TRIPTYCH__DATA__FOLDER": str(folder)}).settings
    questions = read_questions(HOSPITAL.parent / "questions.jsonl")
    print_row("\nhospital", "questions", "dense", "keyword", "fused", "fused, cut off")
    with ingested(settings, discover(settings.documents).files) as corpus:
        cut = retriever_of(settings, corpus)
        arms = [one.model_copy(update={"min_score": 0.0}) for one in retrievers(settings, corpus)] + [cut]
        known = [one for one in questions if one.answerable]
        cells = []
        for arm in arms:
            shown = [(arm.find(q.question, [Turn(*vars(t).values()) for t in q.history]), q) for q in known]
            cells.append(fmean(any(q.section in p.headings for p in found.passages) for found, q in shown))
        print_row("gold section in 3", str(len(known)), *(f"{cell:.3f}" for cell in cells))
        for name, asked in (
            ("nothing found: unrelated", UNRELATED),
            ("nothing found: unanswerable", [one.question for one in questions if not one.answerable]),
        ):
            empty = [fmean([not arm.find(question).passages for question in asked]) for arm in arms]
            print_row(name, str(len(asked)), *(f"{cell:.3f}" for cell in empty))


@contextmanager
def ingested(settings: Settings, files: Sequence[SourceFile], whole: bool = False) -> Iterator[Corpus]:
    with OwnerLock(settings.data.folder), opened_corpus(settings, embedder_of(settings)) as corpus:
        if whole:
            whole_pages = Splitter(
                corpus.embedder.count_tokens, WITHOUT_LIMIT, sentences=settings.splitter.sentences == "on"
            )
            corpus = replace(corpus, splitter=whole_pages)
        for step in sync(corpus, files):
            if isinstance(step, Progress) and step.done % 100 == 0:
                print(f"{settings.data.folder.name}: {step.done} of {step.total}", file=sys.stderr)
        yield corpus


def print_row(name: str, *cells: str) -> None:
    print(" | ".join((f"{name:34}", *(f"{cell:>14}" for cell in cells))), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="keep the ingested data here; a second run embeds nothing")
    parser.add_argument("--adapted", action="store_true", help="public pages, too, with the hospital's settings")
    parser.add_argument("--sentences", action="store_true", help="public pages by their sentences, too")
    skip_without_data()
    main(parser.parse_args())
