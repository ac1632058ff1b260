import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as some
from safetensors.torch import load_file

from adapters.base import load_tokenizer
from adapters.card import WEIGHTS, write_card
from adapters.launch import HANDLED, check_processes, train_on
from adapters.registry import Registry
from adapters.train import Trained
from adapters.train_process import Task, write_task
from adapters.training_errors import TrainingError
from adapters.verify import verify
from ingest.models import file_sha256
from tests.adapters.conftest import CHATML
from tests.adapters.small_adapter import BASE_SHA256, SHAPES, card
from tests.adapters.small_training import recipe, row
from tests.adapters.test_train import MARK, mark_first_evaluation

# Eleven rows in batches of four: the last batch of each epoch has a row less than its processes would share.
ROWS = [row(number, "From ten." + " Call us." * (number % 3)) for number in range(11)]


def task(model: Path, work: Path, **training: Any) -> Task:
    return Task(recipe(**{"batch_size": 4} | training), model, ROWS, ROWS[:3], work)


def measured(trained: Trained) -> dict[float, float]:
    return {entry["step"]: entry["eval_loss"] for entry in trained.losses if "eval_loss" in entry}


def test_two_processes_train_what_one_would(
    tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    alone = train_on(1, task(tiny_model, tmp_path / "one"))
    capfd.readouterr()
    handlers = [signal.getsignal(number) for number in HANDLED]
    both = train_on(2, task(tiny_model, tmp_path / "two"))
    told = capfd.readouterr()
    assert told.out == "", "standard output is for the command's result"
    assert (alone.processes, both.processes) == (1, 2)
    assert both.steps == alone.steps == 6
    assert measured(both) == pytest.approx(measured(alone), rel=1e-3), "but for bfloat16's rounding"
    assert [signal.getsignal(number) for number in HANDLED] == handlers
    assert not (tmp_path / "two" / "processes").exists(), "the rows are not left behind"
    write_card(card(file_sha256(both.folder / WEIGHTS)), both.folder)
    registry = Registry(tmp_path / "none", tmp_path / "own")
    added = registry.add("style", both.folder)
    assert [version.label for version in registry.all()] == ["style@1"]
    assert verify(added.folder, BASE_SHA256, SHAPES).weights_sha256 == file_sha256(both.folder / WEIGHTS)
    assert any(tensor.any() for name, tensor in load_file(both.folder / WEIGHTS).items() if "lora_B" in name)


@given(processes=some.integers(1, 12), share=some.integers(1, 12))
def test_a_batch_that_divides_is_shared(processes: int, share: int) -> None:
    check_processes(processes, processes * share)


@given(processes=some.integers(2, 12), share=some.integers(0, 12), rest=some.integers(1, 11))
def test_a_batch_that_does_not_divide_is_refused(processes: int, share: int, rest: int) -> None:
    batch_size = processes * share + 1 + rest % (processes - 1)
    with pytest.raises(TrainingError, match=rf"cannot share batches of {batch_size} rows .*Use 1, "):
        check_processes(processes, batch_size)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_process_that_fails_ends_all_with_its_message(tiny_model: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    tokenizer = load_tokenizer(model)
    # The longest row comes first, so that it goes to the first process; the other one would train.
    end = "{% if m['content'].startswith('From') %}<|im_end|>{% endif %}"
    tokenizer.chat_template = CHATML.replace("<|im_end|>", end)
    tokenizer.save_pretrained(model)
    rows = [row(11, "Never ending." * 5), *ROWS]
    # Other tests' engines may live on in theirs.
    before = psutil.Process().children(recursive=True)
    with pytest.raises(TrainingError, match=r"^1 of 1 rows do not train '<\|im_end\|>'"):
        train_on(2, Task(recipe(), model, rows, ROWS[:2], tmp_path / "work"))
    assert not set(psutil.Process().children(recursive=True)).difference(before)
    assert not list((tmp_path / "work").iterdir())


RUN = """
import sys
from pathlib import Path
from adapters.launch import train_on
from adapters.train_process import read_task
from adapters.training_errors import TrainingError
try:
    train_on(2, read_task(Path(sys.argv[1])))
except TrainingError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def running(tiny_model: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A command that has written its second checkpoint, and its processes."""
    write_task(task(tiny_model, tmp_path / "work", epochs=8), tmp_path)
    with subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)], stderr=subprocess.PIPE, text=True) as command:
        while not (tmp_path / "work" / "checkpoint-4" / "trainer_state.json").exists():
            assert command.poll() is None, command.communicate()[1]
            time.sleep(0.02)
        yield command, psutil.Process(command.pid).children()
        command.kill()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_goes_on(
    running: tuple[subprocess.Popen[str], list[psutil.Process]], tiny_model: Path, tmp_path: Path, processes: int
) -> None:
    command, children = running
    command.kill()
    assert len(children) == 2
    _, left = psutil.wait_procs(children, timeout=60)
    assert not left, "nobody is left to write where the next run writes"
    whole = sorted((tmp_path / "work").glob("checkpoint-*/trainer_state.json"))
    for state in whole:
        mark_first_evaluation(state)
    resumed = train_on(processes, task(tiny_model, tmp_path / "work", epochs=8))
    assert resumed.steps == 24
    assert measured(resumed)[2] == MARK, "the first steps were not made again"
    alone = train_on(1, task(tiny_model, tmp_path / "alone", epochs=8))
    assert measured(resumed)[24] == pytest.approx(measured(alone)[24], rel=0.02)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", [0, 1])
def test_a_process_that_is_killed_ends_the_command(
    running: tuple[subprocess.Popen[str], list[psutil.Process]], number: int
) -> None:
    command, children = running
    children[number].kill()
    said = command.communicate(timeout=120)[1]
    assert command.returncode == 1
    assert f"Process {number + 1} was ended by signal 9" in said.splitlines()[-1]
    assert not psutil.wait_procs(children, timeout=60)[1]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_command_that_is_told_to_end_takes_its_processes_along(
    running: tuple[subprocess.Popen[str], list[psutil.Process]],
) -> None:
    command, children = running
    command.terminate()
    assert command.wait(timeout=120) == 128 + signal.SIGTERM
    assert not psutil.wait_procs(children, timeout=60)[1]
