"""What a judge is shown of an answer, with a real library."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ingest.corpus import Corpus
from service.evaluation.design import Cell
from service.evaluation.judge.cases import GONE, NO_STATEMENT, NOTHING_SHOWN, Case, case_of, cases, judgeable
from service.evaluation.judge.judgements import answer_sha256
from service.evaluation.questions import PackQuestion
from service.evaluation.score import NOT_FOR_IT, RETRIEVAL_OFF
from service.evaluation.store import Answer
from service.plan import ShownPassage
from tests.service.conftest import PUBLIC_DOCUMENTS, ingest
from tests.service.evaluation.small_evaluation import QUESTIONS, answer, planted

WARDS, PARKING, MAYOR, _ = (PackQuestion.model_validate(one) for one in QUESTIONS)
ON = Cell(prompt="on", retrieval="on", adapter="on")


def shown_of(corpus: Corpus, source: str) -> list[dict[str, Any]]:
    """All chunks of a document, as a manifest would tell them."""
    assert corpus.serving is not None
    found = corpus.library.document(corpus.serving.id, source)
    assert found is not None
    numbered = enumerate(found[1], start=1)
    return [asdict(ShownPassage(at, one.id, found[0].id, source, one.title, 0.9)) for at, one in numbered]


def answered(corpus: Corpus, question: PackQuestion, shown: list[dict[str, Any]] | None, **changes: Any) -> Answer:
    """`shown` None is retrieval switched off."""
    assert corpus.serving is not None
    manifest = {
        "acted": {"prompt": "house@1", "retrieval": None if shown is None else "hospital", "adapter": None},
        "collection_fingerprint": corpus.serving.fingerprint,
        "passages": shown or [],
    }
    values = {"text": "From 10 a.m. [1].", "manifest": manifest, **changes}
    return answer(ON, question, 1.0, {}).model_copy(update=values)


def case(corpus: Corpus, question: PackQuestion, made: Answer) -> Case:
    return case_of(question, made, "best first", corpus.library)


def test_it_sees_the_passages_as_the_model_did(corpus: Corpus) -> None:
    found = case(corpus, WARDS, answered(corpus, WARDS, shown_of(corpus, "visiting.md")))
    assert found.asked == ("refuses", "right", "supported") and not found.missing
    assert found.material.gold == WARDS.answer
    assert found.material.sources[0].startswith("[1] Visiting hours > General wards\nYou can visit the general")
    assert len(found.material.sources) == 3


def test_earlier_turns_come_along(corpus: Corpus) -> None:
    assert case(corpus, PARKING, answered(corpus, PARKING, None)).material.history == PARKING.history


def test_what_is_not_asked_has_a_reason(corpus: Corpus) -> None:
    visiting = shown_of(corpus, "visiting.md")
    assert case(corpus, WARDS, answered(corpus, WARDS, None)).missing == {"supported": RETRIEVAL_OFF}
    assert case(corpus, WARDS, answered(corpus, WARDS, [])).missing == {"supported": NOTHING_SHOWN}
    assert case(corpus, MAYOR, answered(corpus, MAYOR, visiting)).missing == {"right": NOT_FOR_IT}
    refused = case(corpus, WARDS, answered(corpus, WARDS, visiting, status="refused"))
    assert refused.missing == {"supported": NO_STATEMENT} and refused.asked == ("refuses", "right")
    assert case(corpus, WARDS, answered(corpus, WARDS, None, manifest=None)).missing["supported"] == RETRIEVAL_OFF


def test_a_passage_that_is_gone_or_no_longer_public_stays_here(empty_corpus: Corpus) -> None:
    corpus = empty_corpus
    ingest(corpus, PUBLIC_DOCUMENTS)
    assert corpus.serving is not None
    made = answered(corpus, WARDS, shown_of(corpus, "visiting.md"))
    parking = answered(corpus, PARKING, shown_of(corpus, "parking.md"))
    corpus.library.set_labels(corpus.serving.id, "parking.md", ["staff"])
    found = case(corpus, PARKING, parking)
    assert found.missing == {"supported": GONE} and found.material.sources == ()
    ingest(corpus, {"visiting.md": "# Visiting hours\n\n## General wards\nAt any time.\n"})
    assert case(corpus, WARDS, made).missing == {"supported": GONE}


def test_another_collection_has_not_these_passages(corpus: Corpus) -> None:
    made = answered(corpus, WARDS, shown_of(corpus, "visiting.md"))
    assert made.manifest is not None
    other = made.model_copy(update={"manifest": made.manifest | {"collection_fingerprint": "another"}})
    assert case(corpus, WARDS, other).missing == {"supported": GONE}


def test_question_by_question_without_emergencies_and_without_what_is_no_text(tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=4)
    first, *others = run.questions
    urgent = first.model_copy(update={"tags": ("emergency",)})
    blank = run.answers[0].model_copy(update={"question": others[0].id, "cell": ON, "text": " "})
    answers = [one for one in run.answers if (one.cell, one.question) != (ON, others[0].id)]
    found = list(judgeable(replace(run, questions=(urgent, *others), answers=(*answers, blank))))
    assert [question.id for question, _ in found] == [one.id for one in others for _ in range(8)][1:]
    assert len({answer.cell for _, answer in found[7:15]}) == 8


def test_only_what_is_left_is_asked_each_in_both_orders(corpus: Corpus, tmp_path: Path) -> None:
    run = planted(tmp_path, {}, questions=2)
    judged = list(judgeable(run))
    every = cases(judged, corpus.library, set())
    assert len(every) == 32 and len({one.key for one in every}) == 32
    done = {one.key for one in every[:5]}
    assert [one.key for one in cases(judged, corpus.library, done)] == [one.key for one in every[5:]]
    assert every[0].key == (judged[0][1].cell, judged[0][0].id, "best first", answer_sha256(judged[0][1].text))
