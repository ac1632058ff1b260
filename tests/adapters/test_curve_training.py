from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import curve_training
from adapters.answer_scores import AnswerScore
from adapters.curve_training import by_example, draw, file_of, of_examples, shuffled
from adapters.examples import ExampleError
from adapters.learning_curve import read_curve
from adapters.training import Prepared, version_of
from configs.load import load_settings
from configs.settings import Settings
from tests.adapters.small_training import ROWS, prepared, recipe, row


@pytest.fixture
def settings() -> Settings:
    return load_settings(None, {}).settings


@pytest.fixture
def ready(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """As if the recipe's documents and examples had been read, which takes the real embedder and base."""
    ready = prepared(tiny_model, tmp_path, recipe(epochs=1, evaluate_every=100, patience=1))
    monkeypatch.setattr(curve_training, "prepare", lambda *_: ready)
    return ready


def test_points_are_trained_kept_and_told_in_the_card(ready: Prepared, settings: Settings) -> None:
    path = Path("recipe.yaml")
    first = draw(path, [2, 4], 1e-9, settings, None)
    assert ([point.examples for point in first.curve.points], first.left) == ([2], (4,))
    second = draw(path, [2, 4], None, settings, None)
    assert [(point.examples, point.rows, point.steps) for point in second.curve.points] == [(2, 2, 1), (4, 4, 2)]
    assert second.curve.points[0] == first.curve.points[0], "it was not trained again"
    assert second.left == ()
    kept = read_curve(file_of(ready))
    assert kept
    assert kept.measured[0].examples.keys() == {"e0", "e1"}
    assert not list(ready.work.glob("point-*"))
    version = version_of(ready)
    assert version.card.learning_curve == second.curve
    assert ready.registry.verified(version.label, ready.made_from.sha256).name == version.label


def test_more_examples_than_there_are_are_refused(ready: Prepared, settings: Settings) -> None:
    with pytest.raises(ExampleError, match=r"recipe\.yaml has 8 examples to train on, not 9"):
        draw(Path("recipe.yaml"), [2, 9], None, settings, None)


@given(st.integers(0, 100), st.integers(1, 8), st.integers(1, 8))
def test_smaller_sets_are_parts_of_larger_ones(seed: int, one: int, other: int) -> None:
    rows = [*ROWS, *ROWS]
    order = shuffled(rows, seed)
    small, large = (of_examples(rows, order[:size]) for size in sorted((one, other)))
    assert {row.example for row in small} <= {row.example for row in large}
    assert len(large) == 2 * max(one, other), "an example comes with all its rows"
    assert order == shuffled(rows, seed)


def test_the_rows_of_an_example_count_once() -> None:
    rows = [row(1), row(1), row(2)]
    found = by_example(rows, [AnswerScore(1, 0.5), AnswerScore(3, 1.0), AnswerScore(5, 0.0)])
    assert found == {"e1": (2.0, 0.75), "e2": (5.0, 0.0)}
