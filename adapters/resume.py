"""Going on with a killed training as if it had not been killed: its last checkpoint, its callbacks, its minutes."""

import json
import time
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

STATE = "trainer_state.json"


class Resumed(TrainerCallback, ExportableState):  # type: ignore[misc]
    """A callback whose `state` is kept in each checkpoint, and comes back with it."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        # A checkpoint of an earlier program does not name it, and the library saves only what is named.
        state.stateful_callbacks.setdefault(type(self).__name__, self.state())


class Stopwatch(Resumed):
    """The minutes of a training: up to the checkpoint that it goes on from, and since then."""

    def __init__(self, before: float = 0.0) -> None:
        self.before = before
        self.began = time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        super().on_train_begin(args, state, control)
        self.began = time.monotonic()

    @property
    def minutes(self) -> float:
        return self.before + (time.monotonic() - self.began) / 60

    def state(self) -> dict[str, Any]:
        return {"args": {"before": self.minutes}, "attributes": {}}


def go_on(trainer: Trainer, work: Path) -> float:
    """Train from the last checkpoint in `work`, or from the start; the minutes of the whole training.

    One that has ended, early or not, is not trained on: the trainer gets its weights and what it told.
    """
    checkpoint = last_checkpoint(work)
    if checkpoint and stopped(state := read_state(checkpoint)):
        trainer.model.load_adapter(checkpoint, trainer.model.active_adapter, is_trainable=True)
        trainer.state = state
        return minutes_in(state)
    trainer.train(resume_from_checkpoint=checkpoint)
    return float(trainer.pop_callback(Stopwatch).minutes)


def last_checkpoint(work: Path) -> str | None:
    """The newest whole one: its state is written last, so a run killed while saving leaves none or a part."""
    whole = [state.parent for state in work.glob(f"checkpoint-*/{STATE}") if is_json(state)]
    newest = max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)
    return str(newest) if newest else None


def is_json(file: Path) -> bool:
    try:
        json.loads(file.read_bytes())
    except ValueError:
        return False
    return True


def read_state(checkpoint: str) -> TrainerState:
    return TrainerState.load_from_json(str(Path(checkpoint) / STATE))


def stopped(state: TrainerState) -> bool:
    """Was the training told to stop when this was saved: after its last step, or because it only got worse?"""
    control = state.stateful_callbacks.get("TrainerControl", {})
    return bool(control.get("args", {}).get("should_training_stop"))


def minutes_in(state: TrainerState) -> float:
    """Of a checkpoint; one of an earlier program does not tell them."""
    watch = state.stateful_callbacks.get(Stopwatch.__name__, {})
    return float(watch.get("args", {}).get("before", 0))
