import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from adapters.dataset.check import check_file, check_recipe
from adapters.dataset.entries import Entry, Read, Told
from adapters.dataset.read import read_style
from adapters.dataset.report import Report
from adapters.examples import Pool, StyleExample
from adapters.pool import split_pool
from adapters.prompt import load_prompt
from adapters.recipe import Elsewhere, Recipe, read_recipe
from configs.load import HOSPITAL
from ingest.embed import Embedder
from tests.adapters.conftest import byte_tokenizer

HOUSE = load_prompt(HOSPITAL.parent / "prompts", "house@1")
TOPICS = {
    "visiting.md": "# Visiting\n\n## Hours\n\nYou can visit the wards from 10 a.m. to 8 p.m. every day.\n",
    "parking.md": "# Parking\n\n## Costs\n\nParking costs $2 an hour. You can pay with coins on floor 1.\n",
    "meals.md": "# Meals\n\n## Allergies\n\nTell the kitchen at 555-0100 about allergies of any kind.\n",
}
REFUSAL = "I can't find this in our documents. Please call the information desk at 555-0100."
GOOD = (
    StyleExample("e1", "visiting.md", "Hours", "When may I see my dad?", "You can visit from 10 a.m. [cite]."),
    StyleExample("e2", "parking.md", "Costs", "What does the car park cost?", "You can pay $2 an hour [cite]."),
    StyleExample("e3", None, None, "Who won the football game?", REFUSAL),
)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Pool:
    folder = tmp_path_factory.mktemp("documents")
    for name, text in TOPICS.items():
        (folder / name).write_text(text)
    return split_pool(folder, embedder, 200, 0)


def recipe(max_tokens: int = 4000, **data: object) -> Recipe:
    shipped = read_recipe(HOSPITAL.parent / "adapters" / "house-style.yaml")
    values = {"validation": ("parking.md",), "held_back": ("meals.md",), "questions": None} | data
    return shipped.model_copy(
        update={
            "data": shipped.data.model_copy(update=values),
            "training": shipped.training.model_copy(update={"max_tokens": max_tokens}),
        }
    )


def read_of(*examples: StyleExample) -> Read:
    return Read(tuple(Entry(f"x:{n}", one) for n, one in enumerate(examples, start=1)), ())


def checked(plan: Recipe, read: Read, pool: Pool, embedder: Embedder, others: Told | None = None) -> Report:
    return check_recipe(plan, Told(read, pool), others, embedder, HOUSE, byte_tokenizer())


def kinds(report: Report) -> set[tuple[str, str]]:
    return {(finding.kind, finding.place) for finding in report.findings if finding.kind != "balance"}


def test_good_examples_pass(pool: Pool, embedder: Embedder) -> None:
    report = checked(recipe(), read_of(*GOOD), pool, embedder)
    assert kinds(report) == set()
    assert report.passed
    assert report.figures == {"examples": 3, "answers": 2, "refusals": 1}
    assert report.good == 3


def test_a_document_that_cannot_be_read_is_told_and_stops_only_examples_about_it(
    pool: Pool, embedder: Embedder
) -> None:
    broken = replace(pool, unreadable=(("scan.pdf", "The document scan.pdf cannot be read: no text."),))
    report = checked(recipe(), read_of(*GOOD), broken, embedder)
    assert kinds(report) == {("unreadable", "scan.pdf")}
    assert report.passed and report.good == 3
    about = replace(GOOD[0], id="e4", document="scan.pdf", question="What does the scan say?")
    assert "shape" in checked(recipe(), read_of(*GOOD, about), broken, embedder).failures


def test_everything_that_is_wrong_is_told_at_once(pool: Pool, embedder: Embedder, tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text(json.dumps({"question": "When may I see my dad?"}))
    first = GOOD[0]
    wrong = (
        *GOOD,
        replace(first, id="e4", answer="You can visit from 9 a.m. [cite]."),
        replace(first, id="e5", question=" "),
        replace(first, id="e6", document="gone.md", question="Is there a chapel?"),
        replace(first, id="e7", document="meals.md", section="Allergies", question="I am a@b.example, any nuts?"),
        replace(GOOD[1], id="e8"),
    )
    report = checked(recipe(questions=tmp_path / "questions.jsonl"), read_of(*wrong), pool, embedder)
    told = kinds(report)
    assert {("leak", "x:1"), ("near-question", "x:4"), ("facts", "x:4"), ("empty", "x:5"), ("shape", "x:6")} <= told
    assert {("leak", "x:7"), ("personal", "x:7"), ("duplicate", "x:8"), ("near-duplicate", "x:8")} <= told
    assert not report.passed
    assert report.good == 2


def test_the_same_question_in_training_and_validation_is_a_leak(pool: Pool, embedder: Embedder) -> None:
    asked = replace(GOOD[1], id="e4", document="visiting.md", section="Hours", answer="You may come [cite].")
    report = checked(recipe(), read_of(*GOOD, asked), pool, embedder)
    assert ("leak", "x:4") in kinds(report)


def test_a_document_for_validation_and_held_back_is_a_leak(pool: Pool, embedder: Embedder) -> None:
    report = checked(recipe(validation=("meals.md",)), read_of(*GOOD), pool, embedder)
    assert kinds(report) == {("leak", "the recipe")}


def test_rows_are_measured_with_their_passages(pool: Pool, embedder: Embedder) -> None:
    report = checked(recipe(max_tokens=300), read_of(*GOOD), pool, embedder)
    assert {place for kind, place in kinds(report) if kind == "too-long"} >= {"x:1", "x:2"}
    assert report.failures == ["too-long"]


OTHERS = (
    StyleExample("o1", "boats.md", "Trips", "When does the boat leave?", "You can board at noon [cite]."),
    StyleExample("o2", None, None, "Do you sell fishing rods?", REFUSAL),
)


def with_others(tmp_path: Path, embedder: Embedder, *examples: StyleExample, **values: int) -> tuple[Recipe, Told]:
    """A recipe that names these examples about another house's page, and these, with that page's passages."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "boats.md").write_text("# Boats\n\n## Trips\n\nThe boat leaves at noon from the pier.\n")
    file = tmp_path / "others.jsonl"
    file.write_text("\n".join(json.dumps(asdict(example)) for example in examples))
    elsewhere = Elsewhere(examples=(file,), documents=docs)
    told = Told(read_style([file]), split_pool(docs, embedder, 200, 0))
    return recipe(**values).model_copy(update={"elsewhere": elsewhere}), told


def test_good_examples_about_other_pages_pass_and_are_counted_apart(
    pool: Pool, embedder: Embedder, tmp_path: Path
) -> None:
    plan, others = with_others(tmp_path, embedder, *OTHERS)
    report = checked(plan, read_of(*GOOD), pool, embedder, others)
    assert report.passed and kinds(report) == set()
    assert (report.figures["examples"], report.figures["examples about other pages"]) == (3, 2)
    assert report.good == 3


def test_what_is_wrong_about_other_pages_is_told_too(pool: Pool, embedder: Embedder, tmp_path: Path) -> None:
    first = OTHERS[0]
    wrong = (
        replace(first, id="e1", question="At what time may I board the ferry to the island?"),
        replace(first, id="o3", question="I am a@b.example, is there a boat?"),
        replace(first, id="o4", question="Is the boat late?", answer="You wait until 7 p.m. [cite]."),
        replace(first, id="o5", question="What is on board?", document="gone.md"),
        replace(first, id="o6"),
    )
    plan, others = with_others(tmp_path, embedder, *OTHERS, *wrong)
    told = kinds(checked(plan, read_of(*GOOD), pool, embedder, others))
    expected = {("shape", 3), ("personal", 4), ("facts", 5), ("shape", 6), ("duplicate", 7)}
    assert {(kind, f"{tmp_path}/others.jsonl:{line}") for kind, line in expected} <= told


def test_rows_about_other_pages_are_measured_too(pool: Pool, embedder: Embedder, tmp_path: Path) -> None:
    plan, others = with_others(tmp_path, embedder, *OTHERS, max_tokens=300)
    told = kinds(checked(plan, read_of(*GOOD), pool, embedder, others))
    assert ("too-long", f"{tmp_path}/others.jsonl:1") in told


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    file = tmp_path / "asked.jsonl"
    pairs = [(one.question, one.answer.replace("[cite]", "[1]")) for one in GOOD]
    pairs.append(("Where do helicopters land?", "You see helicopters landing upon our roof."))
    file.write_text("\n".join(json.dumps({"question": q, "answer": a}) for q, a in pairs))
    return file


def test_a_file_becomes_style_examples_where_a_document_holds_the_answer(
    asked: Path, pool: Pool, embedder: Embedder
) -> None:
    report, entries = check_file(asked, pool, embedder, REFUSAL)
    turned = [replace(entry.example, id=f"e{n}") for n, entry in enumerate(entries, start=1)]
    assert [asdict(one) for one in turned] == [asdict(one) for one in GOOD]
    assert report.failures == ["no-document"]
    assert ("no-document", f"{asked}:4") in kinds(report)


def test_without_documents_it_says_what_it_did_not_look_at(asked: Path, embedder: Embedder) -> None:
    report, entries = check_file(asked, None, embedder, REFUSAL)
    assert len(entries) == 4
    assert any("--documents" in sentence for sentence in report.not_checked)
    assert ("personal", f"{asked}:3") not in kinds(report), "the house gives the refusal's number to everybody"


def test_a_number_that_no_document_holds_is_personal(tmp_path: Path, embedder: Embedder) -> None:
    file = tmp_path / "asked.jsonl"
    file.write_text(json.dumps({"question": "Who took my bag?", "answer": "Call the finder at 555-0177."}))
    report, _ = check_file(file, None, embedder, REFUSAL)
    assert ("personal", f"{file}:1") in kinds(report)
