from dataclasses import replace
from pathlib import Path

import pytest

from adapters.registry import Registry
from ingest.corpus import Corpus
from service.evaluation.report import report_of
from service.evaluation.setup import (
    AdapterSetup,
    Setup,
    adapter_setup,
    search_minutes,
    setup_mistakes,
    stale_documents,
)
from service.evaluation.store import Run
from tests.service.conftest import PUBLIC_DOCUMENTS
from tests.service.evaluation.small_evaluation import planted

SHIPPED = Path(__file__).parents[3] / "configs" / "hospital" / "adapters"
GOOD = AdapterSetup(
    prompt="house@1",
    prompt_sha256="p" * 64,
    held_back=tuple(f"d{number}.md" for number in range(20)),
    training_loss=0.20,
    evaluation_loss=0.25,
)
MADE_FROM = {"prompts": {"house@1": "p" * 64}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted(tmp_path_factory.mktemp("run"), {}, questions=20)


def found(run: Run, adapter: AdapterSetup, **prompts: str) -> list[str]:
    made_from = {"prompts": MADE_FROM["prompts"] | prompts}
    return setup_mistakes(Setup(adapters={"style@2": adapter}), made_from, run.questions)


def test_where_all_is_well_nothing_is_found(run: Run) -> None:
    assert found(run, GOOD) == []
    assert setup_mistakes(Setup(), MADE_FROM, run.questions) == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"prompt_sha256": "o" * 64}, "trained on house@1 and was asked with house@1 as it is now"),
        ({"prompt": "old@1", "prompt_sha256": "o" * 64}, "trained on old@1 and was asked with house@1. Train"),
        ({"evaluation_loss": 0.31}, "the loss of style@2 was 0.200 on what it was trained on and 0.310"),
        ({"held_back": GOOD.held_back[:15]}, "5 of 20 questions are about documents that the training of style@2"),
    ],
)
def test_each_mistake_is_named(run: Run, changes: dict[str, object], named: str) -> None:
    (told,) = found(run, GOOD.model_copy(update=changes))
    assert named in told


def test_a_second_prompt_is_another_template(run: Run) -> None:
    (told,) = found(run, GOOD, **{"house@2": "q" * 64})
    assert "trained on house@1 and was asked with house@2." in told


def test_losses_that_were_not_kept_tell_nothing(run: Run) -> None:
    assert found(run, GOOD.model_copy(update={"training_loss": None, "evaluation_loss": None})) == []


def test_a_changed_file_is_a_stale_document(corpus: Corpus, tmp_path: Path) -> None:
    for name, text in PUBLIC_DOCUMENTS.items():
        (tmp_path / name).write_text(text)
    assert stale_documents(corpus, [tmp_path, tmp_path / "not there"]) == ()
    changed = min(PUBLIC_DOCUMENTS)
    (tmp_path / changed).write_text("# Another text")
    (tmp_path / "new.md").write_text("# Not ingested yet")
    assert stale_documents(corpus, [tmp_path]) == (changed,)


def test_the_shipped_adapter_has_none_of_them(run: Run) -> None:
    """Trained on the prompt that serves, and not by heart."""
    adapter = adapter_setup(Registry(SHIPPED, SHIPPED / "own").resolve("house-style@2").card, 103)
    made_from = {"prompts": {adapter.prompt: adapter.prompt_sha256}}
    assert setup_mistakes(Setup(adapters={"house-style@2": adapter}), made_from, []) == []


def test_what_search_was_trained_for_is_read_from_its_cards() -> None:
    pack = SHIPPED.parent
    assert search_minutes(pack / "search" / "1", pack / "ranker" / "2") == {"search/1": 8.7, "ranker/2": 2.8}
    assert search_minutes(None, None) == {}


def test_the_report_tells_them(run: Run) -> None:
    report = report_of(replace(run, setup=Setup(stale=("visiting.md",))))
    assert any("Stale documents: 1 changed" in mistake and "visiting.md" in mistake for mistake in report.mistakes)
