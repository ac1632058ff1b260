from pathlib import Path

import pytest

from adapters.card import Trial
from adapters.first_tokens import first_tokens
from adapters.halving import best
from adapters.recipe import Candidates, RecipeError
from adapters.training import Prepared, version_of
from adapters.training_errors import TrainingError
from adapters.trials import combinations, follow_best, halve, kept, log_of, with_values
from configs.load import HOSPITAL, load_settings
from tests.adapters.small_training import prepared, recipe

RATES = Candidates(minutes=60, learning_rate=(0.0001, 0.01, 1e30))
TRIAL = Trial(rank=4, learning_rate=0.01, epochs=4, share=0.5, steps=10, score=2.0, minutes=1)


@pytest.fixture(scope="module")
def searched(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, list[Trial]]:
    ready = prepared(tiny_model, tmp_path_factory.mktemp("search"), recipe(epochs=4, evaluate_every=100))
    return ready, halve(ready, RATES)


@pytest.fixture
def ready(tiny_model: Path, tmp_path: Path) -> Prepared:
    return prepared(tiny_model, tmp_path, recipe(epochs=4, evaluate_every=100))


def lines(ready: Prepared) -> list[str]:
    return log_of(ready, RATES).read_text().splitlines(keepends=True)


def test_all_are_tried_then_the_better_half_for_longer(searched: tuple[Prepared, list[Trial]]) -> None:
    ready, trials = searched
    tiny, good, wild = trials[:3]
    assert [one.learning_rate for one in trials] == [0.0001, 0.01, 1e30, 0.01, 0.0001], "the best goes on first"
    assert [(one.share, one.steps) for one in trials] == [(0.25, 4)] * 3 + [(0.5, 8)] * 2
    assert tiny.score and good.score and good.score < tiny.score
    assert wild.score is None, "it diverged"
    assert best(trials) == trials[3]
    assert not list(ready.work.glob("trial-*")), "only the scores are kept"


def test_a_killed_search_goes_on_after_the_trials_it_finished(
    searched: tuple[Prepared, list[Trial]], ready: Prepared
) -> None:
    before, trials = searched
    log = log_of(ready, RATES)
    log.write_text("".join(lines(before)[:5]) + '{"rank": 2, "lea')
    assert [one.score for one in halve(ready, RATES)] == [one.score for one in trials]
    assert lines(ready)[:5] == lines(before)[:5]
    whole = log.read_text()
    halve(ready, RATES)
    assert log.read_text() == whole, "all is known"


@pytest.mark.parametrize("finished", [1, 2, 3, 4])
def test_when_the_minutes_are_over_no_other_trial_begins(
    searched: tuple[Prepared, list[Trial]], ready: Prepared, finished: int
) -> None:
    before, trials = searched
    hasty = RATES.model_copy(update={"minutes": 1e-6})
    log_of(ready, hasty).write_text("".join(lines(before)[: 1 + finished]))
    assert halve(ready, hasty) == trials[:finished]


def test_more_minutes_make_a_search_of_their_own(ready: Prepared) -> None:
    assert log_of(ready, RATES) == log_of(ready, RATES.model_copy())
    assert log_of(ready, RATES) != log_of(ready, RATES.model_copy(update={"minutes": 600}))


def test_too_few_minutes_are_refused_with_those_that_are_enough(tiny_model: Path, tmp_path: Path) -> None:
    ready = prepared(tiny_model, tmp_path, recipe(epochs=100))
    hasty = RATES.model_copy(update={"minutes": 6.9})
    kept(log_of(ready, hasty), TRIAL)
    # 10 steps for each of 3 at 0.1 minutes, twice because there are two rounds, and the minute that told the pace.
    with pytest.raises(
        TrainingError, match=r"3 combinations get fewer than 10 steps each\. .* be about 7, or list"
    ):
        halve(ready, hasty)


def test_all_combinations_are_tried_and_alpha_follows_the_rank() -> None:
    candidates = Candidates(minutes=1, rank=(2, 6), epochs=(1, 3))
    found = combinations(recipe(), candidates)
    values = [(one.lora.rank, one.lora.alpha, one.training.epochs) for one in found]
    assert values == [(2, 4, 1), (2, 4, 3), (6, 12, 1), (6, 12, 3)]
    assert with_values(recipe(), 2, 0.5, 3).training == recipe(learning_rate=0.5, epochs=3).training


def test_the_version_tells_its_trials_and_its_seal_fits(ready: Prepared) -> None:
    version = version_of(ready, [TRIAL])
    assert version.card.trials == (TRIAL,)
    weights = ready.registry.verified(version.label, ready.made_from.sha256)
    assert "search" not in version.card.recipe
    assert dict(weights.probe) == version.card.probe == first_tokens(ready.base, version.folder, ready.tokenizer)
    assert ready.registry.verified(f"{version.label}*0.5", ready.made_from.sha256).probe == (), "it was read at 1"


def test_a_recipe_without_candidates_is_refused_before_the_work_begins(tmp_path: Path) -> None:
    shipped = HOSPITAL.parent / "adapters" / "house-style.yaml"
    with pytest.raises(RecipeError, match=r"house-style\.yaml has no `search`: give it `minutes`"):
        follow_best(shipped, load_settings(None, {}).settings, tmp_path)
