"""One of the processes that train an adapter together; started by adapters/launch.py."""

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import PartialState
from datasets import disable_progress_bars
from pydantic import TypeAdapter
from transformers.utils.logging import disable_progress_bar

from adapters.base import load_tokenizer
from adapters.examples import Row
from adapters.recipe import ModelRecipe
from adapters.train import Trained, train
from adapters.training_errors import TrainingError

TASK, TRAINED, FAILED = "task.json", "trained.json", "failed.txt"


@dataclass(frozen=True, slots=True)
class Task:
    """What `train` takes, but for the tokenizer: that is the base's."""

    recipe: ModelRecipe
    base: Path
    rows: Sequence[Row]
    validation: Sequence[Row]
    work: Path
    start: Path | None = None


def carry_out(task: Task) -> Trained:
    """Train in this process. Raises TrainingError."""
    tokenizer = load_tokenizer(task.base)
    return train(task.recipe, task.base, tokenizer, task.rows, task.validation, task.work, task.start)


def write_task(task: Task, folder: Path) -> None:
    (folder / TASK).write_bytes(TypeAdapter(Task).dump_json(task))


def read_task(folder: Path) -> Task:
    return TypeAdapter(Task).validate_json((folder / TASK).read_bytes())


def write_trained(trained: Trained, folder: Path) -> None:
    (folder / TRAINED).write_bytes(TypeAdapter(Trained).dump_json(trained))


def read_trained(folder: Path) -> Trained:
    return TypeAdapter(Trained).validate_json((folder / TRAINED).read_bytes())


def main(folder: Path) -> None:
    """Train the folder's task with the other processes; the main one writes the result beside it."""
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    try:
        with redirect_stdout(sys.stderr):
            state = PartialState(cpu=not torch.cuda.is_available())
            speak_for_all(state.is_main_process)
            trained = carry_out(read_task(folder))
        if state.is_main_process:
            write_trained(trained, folder)
        state.destroy_process_group()
    except TrainingError as error:
        tell(str(error), folder)
        sys.exit(1)
    except Exception as error:
        tell(f"Training failed: {type(error).__name__}: {error}", folder)
        traceback.print_exc()
        sys.exit(1)


def speak_for_all(main: bool) -> None:
    """One process shows progress and warnings; the others would say the same."""
    level = logging.WARNING if main else logging.ERROR
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    if not main:
        disable_progress_bars()
        disable_progress_bar()


def tell(message: str, folder: Path) -> None:
    """The first word is the cause: once one process is gone, the others fail for want of it."""
    with suppress(FileExistsError), (folder / FAILED).open("x", encoding="utf-8") as file:
        file.write(message)


def end_with_parent(parent: int) -> None:
    """Where the command was killed, its run may go on elsewhere: two must not write the same checkpoints."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
