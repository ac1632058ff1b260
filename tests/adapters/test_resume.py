"""Real trainings of a few steps on a tiny model, killed and begun again."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from adapters.base import load_tokenizer
from adapters.card import WEIGHTS
from adapters.finite_steps import FiniteSteps
from adapters.recipe import Recipe
from adapters.resume import STATE, last_checkpoint
from adapters.train import AnswerTrainer, Trained, train
from adapters.training_errors import Diverged
from ingest.models import file_sha256
from tests.adapters.small_training import ROWS, recipe
from tests.adapters.test_train import Stopped, trainer

# Nothing is learnt, so no evaluation is better than the first, after step 2: of 16 steps, the eighth is the last.
STILL = recipe(learning_rate=1e-12, epochs=4, patience=3)


def run(model: Path, work: Path, recipe: Recipe = STILL) -> Trained:
    return train(recipe, model, load_tokenizer(model), ROWS, ROWS[:2], work)


def kill(model: Path, work: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe = STILL) -> Path:
    """Begin a run, kill it in its sixth step; the state of its last checkpoint."""
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("adapters.train.AnswerTrainer", Stopped)
        run(model, work, recipe)
    return work / "checkpoint-4" / STATE


def edited(state: Path, callback: str, **values: Any) -> None:
    content = json.loads(state.read_text())
    content["stateful_callbacks"][callback]["args"] |= values
    state.write_text(json.dumps(content))


def test_a_killed_run_ends_where_it_would_have_ended(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tiny_model, tmp_path / "whole").steps == 8
    kill(tiny_model, tmp_path / "killed", monkeypatch)
    assert run(tiny_model, tmp_path / "killed").steps == 8


def test_a_run_that_ended_early_is_not_trained_on(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(tiny_model, tmp_path)
    weights = file_sha256(first.folder / WEIGHTS)
    shutil.rmtree(first.folder)  # as a kill before it is written leaves it
    monkeypatch.setattr(AnswerTrainer, "training_step", None)
    again = run(tiny_model, tmp_path)
    assert again.steps == 8
    assert file_sha256(again.folder / WEIGHTS) == weights
    assert [entry for entry in again.losses if "eval_loss" in entry] == [
        entry for entry in first.losses if "eval_loss" in entry
    ]


def test_a_run_that_came_to_its_end_is_not_trained_on_either(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(tiny_model, tmp_path, recipe())
    weights = file_sha256(first.folder / WEIGHTS)
    monkeypatch.setattr(AnswerTrainer, "training_step", None)
    again = run(tiny_model, tmp_path, recipe())
    assert (again.steps, file_sha256(again.folder / WEIGHTS)) == (8, weights)


def test_the_minutes_before_a_kill_and_of_an_ended_run_count(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited(kill(tiny_model, tmp_path, monkeypatch), "Stopwatch", before=90.0)
    resumed = run(tiny_model, tmp_path).minutes
    assert resumed > 90
    assert 90 < run(tiny_model, tmp_path).minutes <= resumed


class TwoBroken(FiniteSteps):
    """The gradients of the third and of the seventh step become NaN."""

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step in (2, 6):
            next(weight.grad for weight in model.parameters() if weight.grad is not None).fill_(float("nan"))
        super().on_pre_optimizer_step(args, state, control, model)


def test_steps_that_were_left_out_before_a_kill_still_count(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.train.FiniteSteps", TwoBroken)
    kill(tiny_model, tmp_path, monkeypatch, recipe())
    with pytest.raises(Diverged, match="steps 3, 7 of 8"):
        run(tiny_model, tmp_path, recipe())


def test_a_checkpoint_of_an_earlier_program_is_gone_on_from(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trainer(tiny_model, load_tokenizer(tiny_model), tmp_path).train()
    state = json.loads((tmp_path / "checkpoint-4" / STATE).read_text())
    assert state["stateful_callbacks"].keys() == {"EarlyStoppingCallback", "TrainerControl"}
    assert run(tiny_model, tmp_path, recipe()).steps == 8


def test_without_a_checkpoint_a_run_starts_anew(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None


def test_the_newest_checkpoint_is_that_of_the_highest_step(tmp_path: Path) -> None:
    for step in (9, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / STATE).write_text(json.dumps({}))
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")


@pytest.mark.parametrize("part", ["", '{"epoch": 1, "log_hist', '{"note": "\N{EURO SIGN}'])
def test_a_checkpoint_whose_state_was_cut_short_is_not_whole(part: str, tmp_path: Path) -> None:
    for step, content in ((9, b"{}"), (10, part.encode()[: len(part)])):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / STATE).write_bytes(content)
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-9")
