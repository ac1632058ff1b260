from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from adapters.prompt import Turn
from configs.retrieval import RetrievalLayer
from ingest.corpus import Corpus
from ingest.documents import PUBLIC
from ingest.embed import Embedder
from service.retrieve import HybridRetriever, Origin, RetrievalError, find
from service.second_look import SecondLook
from tests.service.conftest import PUBLIC_DOCUMENTS, ingest, opened

READER = frozenset({PUBLIC})


def hybrid(corpus: Corpus, **changes: Any) -> HybridRetriever:
    values = {"passages": 3, "candidates": 50, "dense_weight": 0.7, "min_score": 0.28, **changes}
    return HybridRetriever(corpus=corpus, **values)


@pytest.mark.parametrize(
    ("question", "source", "heading"),
    [
        ("what time can i visit somebody on a general ward", "visiting.md", "General wards"),
        ("What does the North Garage cost?", "parking.md", "North Garage"),
        ("how do I get a copy of my file", "records.md", "Asking for a copy"),
        ("are flowers ok in the ICU", "icu.md", "Flowers"),
    ],
)
def test_the_right_section_comes_first(corpus: Corpus, question: str, source: str, heading: str) -> None:
    found = hybrid(corpus).find(question)
    assert (found.passages[0].source, found.passages[0].headings) == (source, (heading,))
    assert found.fingerprint == corpus.fingerprint
    assert not found.degraded


def test_a_question_about_something_else_finds_nothing(corpus: Corpus) -> None:
    assert hybrid(corpus).find("Who won the football world cup in 1974?").passages == ()


def test_what_is_found_tells_every_setting_that_chose_it_as_it_acted(corpus: Corpus) -> None:
    retriever = hybrid(corpus, min_share=0.2)
    found = retriever.find("What does the North Garage cost?")
    assert found.settings.keys() == RetrievalLayer.model_fields.keys() - {
        "switch",
        "collection",
        "search",
        "searches",
    }
    assert all(value == getattr(retriever, name) for name, value in found.settings.items())
    assert retriever.find("What does the North Garage cost?", limit=1).settings == {**found.settings, "passages": 1}


async def test_a_name_in_the_layer_is_another_search_or_a_collection(corpus: Corpus) -> None:
    question, own = "What does the North Garage cost?", hybrid(corpus)
    retriever = own.model_copy(update={"ways": {"short": hybrid(corpus, passages=1, min_score=0.0)}})
    plain, named, short = [
        await find(retriever, question, (), labels=READER, named=name) for name in (None, corpus.name, "short")
    ]
    assert plain == named == own.find(question) and plain.origins == ()
    assert short.passages == plain.passages[:1] and short.settings["min_score"] == 0.0
    assert short.origins == (Origin(corpus.name),), "the name does not tell the collection"
    with pytest.raises(RetrievalError, match="The collection 'long' has no documents"):
        await find(retriever, question, (), labels=READER, named="long")


def test_where_nothing_is_near_enough_nothing_is_shown(corpus: Corpus) -> None:
    question = "What does the North Garage cost?"
    near = (
        corpus.embedder.embed_queries([question])
        @ corpus.embedder.embed(["Parking > North Garage\nThe North Garage costs $4 for the first hour."]).T
    )
    assert near.item() > 0.5
    assert hybrid(corpus, min_cosine=0.5).find(question).passages
    assert hybrid(corpus, min_cosine=0.99, min_score=0.0).find(question).passages == ()


def test_what_is_far_weaker_than_the_best_is_not_shown(corpus: Corpus) -> None:
    question = "What does the North Garage cost?"
    every = hybrid(corpus, min_score=0.0).find(question).passages
    shares = [passage.score / every[0].score for passage in every]
    assert shares[0] == 1
    assert shares[1] < 1
    between = (shares[1] + 1) / 2
    assert hybrid(corpus, min_score=0.0, min_share=between).find(question).passages == every[:1]
    assert hybrid(corpus, min_score=0.0, min_share=shares[-1] / 2).find(question).passages == every


@pytest.mark.parametrize("dense_weight", [0.0, 1.0])
def test_with_all_the_weight_on_pages_a_page_s_passages_count_as_its_best(
    corpus: Corpus, dense_weight: float
) -> None:
    question = "What does the North Garage cost?"
    values = {"min_score": 0.0, "dense_weight": dense_weight, "passages": 20}
    plain, paged = (hybrid(corpus, page_weight=weight, **values).find(question).passages for weight in (0.0, 1.0))
    best = {one.source: max(each.score for each in plain if each.source == one.source) for one in plain}
    assert len(best) < len(plain)
    assert [one.score for one in paged] == pytest.approx([best[one.source] for one in paged])


LONG = (
    "The volunteers wear blue shirts. They bring books on Mondays. They push wheelchairs to the garden. "
    "Lost keys are kept in the kiosk. Tea is served at noon. The choir sings in December."
)


@pytest.mark.parametrize("sentences", [True, False])
def test_a_passage_is_as_near_as_its_nearest_sentence(tmp_path: Path, embedder: Embedder, sentences: bool) -> None:
    question = "Where are lost keys kept?"
    whole, sentence = (
        (embedder.embed_queries([question]) @ embedder.embed([f"Helpers\n{text}"]).T).item()
        for text in (LONG, "Lost keys are kept in the kiosk.")
    )
    assert sentence > whole + 0.1
    for corpus in opened(tmp_path, embedder, sentences=sentences):
        ingest(corpus, {"helpers.md": f"# Helpers\n\n{LONG}"})
        (passage,) = hybrid(corpus, dense_weight=1.0, min_score=0.0).find(question).passages
        assert passage.score == pytest.approx(sentence if sentences else whole, abs=2e-3)
        near = hybrid(corpus, min_cosine=(whole + sentence) / 2, min_score=0.0)
        assert near.find(question).passages == (), "whether it is about this at all, the whole tells"


def test_what_only_the_words_found_is_as_near_as_it_is(empty_corpus: Corpus) -> None:
    ingest(
        empty_corpus,
        {"meals.md": "# Meals\n\nLunch is at noon.", "codes.md": "# Codes\n\nZebra is the garage's word."},
    )
    question = "At what time do you serve food? Zebra."
    vectors = empty_corpus.embedder.embed(["Meals\nLunch is at noon.", "Codes\nZebra is the garage's word."])
    cosines = vectors @ empty_corpus.embedder.embed_queries([question])[0]
    found = hybrid(empty_corpus, candidates=1, dense_weight=1.0, min_score=0.0).find(question)
    assert [passage.source for passage in found.passages] == ["meals.md", "codes.md"]
    assert [passage.score for passage in found.passages] == pytest.approx(cosines.tolist(), abs=2e-3)


@dataclass
class Reader:
    """Likes one word, and remembers what it was asked to read."""

    word: str
    sha256: str = "f" * 64
    read: list[tuple[str, str, list[str]]] = field(default_factory=list)

    def log_odds(self, question: str, passages: Sequence[str], earlier: str = "") -> list[float]:
        self.read.append((earlier, question, list(passages)))
        return [9.0 if self.word in passage else -9.0 for passage in passages]


def test_a_second_look_decides_between_the_best(corpus: Corpus) -> None:
    question = "What does the North Garage cost?"
    plain = hybrid(corpus, min_score=0.0).find(question).passages
    assert len(plain) == 3
    word = plain[1].text.split()[-1]
    assert word not in plain[0].embedded_text
    reader = Reader(word)
    looked = hybrid(corpus, min_score=0.0, passages=1, second_look=SecondLook(reader, 2, 1.0, -10))
    assert looked.find(question).passages == (plain[1],)
    assert reader.read == [("", question, [passage.embedded_text for passage in plain[:2]])]
    assert looked.find(question, limit=3).passages == (plain[1], plain[0], plain[2])


def test_what_no_passage_answers_was_not_found_and_one_that_does_is_enough(corpus: Corpus) -> None:
    question = "What does the North Garage cost?"
    plain = hybrid(corpus, min_score=0.0).find(question).passages
    word = plain[1].text.split()[-1]
    found = {
        least: hybrid(corpus, min_score=0.0, second_look=SecondLook(Reader(word), 2, 1.0, least)).find(question)
        for least in (-9.0, 9.0, 9.1)
    }
    assert [len(one.passages) for one in found.values()] == [3, 3, 0]
    assert found[9.1].settings["ranker_min_log_odds"] == 9.1


def test_a_second_look_reads_one_passage_and_nothing_where_nothing_was_found(corpus: Corpus) -> None:
    reader = Reader("")
    looked = hybrid(corpus, min_share=1.0, second_look=SecondLook(reader, 3, 1.0, -10))
    assert len(looked.find("What does the North Garage cost?").passages) == 1
    assert [len(passages) for *_, passages in reader.read] == [1]
    assert looked.find("Who won the football world cup in 1974?").passages == ()
    assert len(reader.read) == 1


def test_a_second_look_at_a_follow_up_knows_the_question_before(corpus: Corpus) -> None:
    reader = Reader("")
    history = (Turn("Where do I park?", "In the garage."), Turn("What does the North Garage cost?", "$4."))
    hybrid(corpus, min_score=0.0, second_look=SecondLook(reader, 2, 1.0, -10)).find("And on Sundays?", history)
    assert [asked[:2] for asked in reader.read] == [("What does the North Garage cost?", "And on Sundays?")]


def test_without_its_ranker_search_says_so_instead_of_answering_without(corpus: Corpus) -> None:
    class Broken:
        sha256 = ""

        def log_odds(self, question: str, passages: Sequence[str], earlier: str = "") -> list[float]:
            raise RuntimeError("no memory")

    looked = hybrid(corpus, min_score=0.0, second_look=SecondLook(Broken(), 2, 1.0, -10))
    with pytest.raises(RetrievalError, match="no memory"):
        looked.find("What does the North Garage cost?")


def test_a_follow_up_is_understood_and_a_new_topic_too(corpus: Corpus) -> None:
    history = (Turn("When can I visit the general wards?", "From 10 a.m. to 8 p.m. [1]."),)
    follow_up = hybrid(corpus).find("And on Sundays?", history)
    assert follow_up.passages[0].headings == ("Sundays and holidays",)
    assert follow_up.query == "When can I visit the general wards? And on Sundays?"
    other = hybrid(corpus).find("What does parking cost?", history)
    assert other.passages[0].source == "parking.md"


def test_what_the_labels_do_not_allow_is_never_found(corpus: Corpus) -> None:
    secret = "Staff park in the Badge Garage, the gate code is willow-4711"
    reader = hybrid(corpus, min_score=0.0, passages=20).find(secret)
    staff = hybrid(corpus).find(secret, labels=frozenset({"staff"}))
    assert "staff-parking.md" not in {passage.source for passage in reader.passages}
    assert {passage.source for passage in staff.passages} == {"staff-parking.md"}
    assert hybrid(corpus).find(secret, labels=frozenset()).passages == ()


def test_what_a_reader_may_not_see_brings_nothing_else_near(corpus: Corpus) -> None:
    secret = "Staff park in the Badge Garage behind the Cedar Building."
    near = hybrid(corpus, min_score=0.0, min_cosine=0.7)
    assert near.find(secret, labels=frozenset({PUBLIC, "staff"})).passages
    assert near.find(secret).passages == ()


def test_documents_that_a_reader_may_not_see_do_not_push_out_others(empty_corpus: Corpus) -> None:
    hidden = {f"s{number}.md": f"# Night garage {number}\n\nNight staff park free." for number in range(12)}
    ingest(empty_corpus, hidden, "staff")
    ingest(empty_corpus, {"parking.md": PUBLIC_DOCUMENTS["parking.md"]})
    found = hybrid(empty_corpus, candidates=5, dense_weight=1.0).find("Where do I park at night?")
    assert found.passages
    assert {passage.source for passage in found.passages} == {"parking.md"}


def test_a_removed_document_is_gone_at_the_next_question(empty_corpus: Corpus) -> None:
    ingest(empty_corpus, PUBLIC_DOCUMENTS)
    serving = empty_corpus.serving
    assert serving is not None
    empty_corpus.library.remove_document(serving.id, "parking.md")
    found = hybrid(empty_corpus, min_score=0.0).find("What does the North Garage cost?")
    assert "parking.md" not in {passage.source for passage in found.passages}


async def test_an_empty_or_unknown_collection_is_an_error_and_no_silence(
    corpus: Corpus, empty_corpus: Corpus
) -> None:
    with pytest.raises(RetrievalError, match="triptych ingest sync"):
        hybrid(empty_corpus).find("When?")
    with pytest.raises(RetrievalError, match="'other'"):
        await find(hybrid(corpus), "When?", (), labels=READER, named="other")


def test_another_embedder_s_collection_is_refused(empty_corpus: Corpus) -> None:
    ingest(empty_corpus, PUBLIC_DOCUMENTS)
    library = empty_corpus.library
    library.switch_collection(library.ensure_collection("hospital", "another-embedder"))
    with pytest.raises(RetrievalError):
        hybrid(empty_corpus).find("When?")


def test_without_the_index_the_library_answers_and_says_so(empty_corpus: Corpus) -> None:
    ingest(empty_corpus, PUBLIC_DOCUMENTS)
    empty_corpus.index.close()
    found = hybrid(empty_corpus).find("What does the North Garage cost?")
    assert found.degraded
    assert found.passages[0].source == "parking.md"


def test_the_limit_of_a_call_wins(corpus: Corpus) -> None:
    assert len(hybrid(corpus, min_score=0.0).find("visit", limit=5).passages) == 5


async def test_it_is_a_langchain_retriever(corpus: Corpus) -> None:
    [best, *_] = await hybrid(corpus).ainvoke("What does the North Garage cost?")
    assert isinstance(best, Document)
    assert best.metadata["source"] == "parking.md"
    assert 0.28 <= best.metadata["score"] <= 1
    assert best.id


def test_it_works_for_code_that_is_not_asynchronous(corpus: Corpus) -> None:
    assert hybrid(corpus).invoke("What does the North Garage cost?")[0].metadata["source"] == "parking.md"
