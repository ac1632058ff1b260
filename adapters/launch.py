"""Training in several processes through Accelerate's launcher: one GPU each, or a part of the cores."""

import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate.commands.launch import launch_command_parser, multi_gpu_launcher
from accelerate.utils import patch_environment
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from adapters.precision import in_bfloat16
from adapters.train import Trained
from adapters.train_process import FAILED, Task, carry_out, read_trained, write_task
from adapters.training_errors import TrainingError
from ingest.child import import_path

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def check_processes(processes: int, batch_size: int) -> None:
    """Raises TrainingError where so many processes cannot share a batch, or this machine's GPUs."""
    if batch_size % processes:
        fitting = [str(number) for number in range(1, batch_size + 1) if batch_size % number == 0]
        raise TrainingError(
            f"{processes} processes cannot share batches of {batch_size} rows evenly (training.batch_size). "
            f"Use {', '.join(fitting)}, or change the recipe's batch size."
        )
    gpus = torch.cuda.device_count()
    if gpus and processes > gpus:
        raise TrainingError(f"{processes} processes need a GPU each, and this machine shows {gpus}.")
    if gpus > processes == 1:
        raise TrainingError(
            f"One process uses one GPU, and {gpus} are visible: --processes, or CUDA_VISIBLE_DEVICES=0."
        )


def train_on(processes: int, task: Task) -> Trained:
    """Train in so many processes; with one, in this one. A killed run may go on with another number of them.

    Raises TrainingError with what the first process that failed had to say; none of them is left running.
    """
    if processes == 1:
        return carry_out(task)
    folder = task.work / "processes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_task(task, folder)
    try:
        launch(processes, folder)
        return read_trained(folder)
    except ChildFailedError as error:
        raise TrainingError(cause(error, folder)) from None
    finally:
        shutil.rmtree(folder)


def launch(processes: int, folder: Path) -> None:
    """Raises ChildFailedError."""
    # All processes are here: without this, gloo listens on the address that belongs to the machine's name.
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    with own_signals(), patch_environment(pythonpath=import_path(), pythonsafepath=1, gloo_socket_ifname=loopback):
        multi_gpu_launcher(launch_command_parser().parse_args(arguments(processes, folder)))


def arguments(processes: int, folder: Path) -> list[str]:
    """Of `accelerate launch`. All are given, and its own configuration file is not read. Port 0 is any free one."""
    values = {
        "num_processes": processes,
        "num_machines": 1,
        "num_cpu_threads_per_process": max(1, torch.get_num_threads() // processes),
        "main_process_port": 0,
        "mixed_precision": "bf16" if in_bfloat16() else "no",
        "dynamo_backend": "no",
        "log_dir": folder,
    }
    options = [f"--{name}={value}" for name, value in values.items()]
    return [*options, "--module", "adapters.train_process", str(folder)]


@contextmanager
def own_signals() -> Iterator[None]:
    """The launcher ends its processes when a signal comes, and leaves its handlers behind."""
    before = {number: signal.getsignal(number) for number in HANDLED}
    try:
        yield
    except SignalException as error:
        raise SystemExit(128 + error.sigval) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def cause(error: ChildFailedError, folder: Path) -> str:
    """What the first process that failed wrote, and which ones a signal ended: those could write nothing."""
    told = [(folder / FAILED).read_text(encoding="utf-8")] if (folder / FAILED).is_file() else []
    ended = [
        f"Process {rank + 1} was ended by signal {-failure.exitcode} (9: often a lack of memory). The same command "
        "goes on from the last checkpoint."
        for rank, failure in sorted(error.failures.items())
        if failure.exitcode < 0
    ]
    return " ".join([*told, *ended]) or f"A process failed without a word: {error}"
