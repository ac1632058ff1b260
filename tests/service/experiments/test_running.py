"""Starts and stops of experiments, on both databases: in one process, across several, and when one is killed."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import URL

from configs.slot import Namespace, Slot
from ingest.database import Database
from service.experiments.assign import Arm, Experiment
from service.experiments.running import EARLIER_LOG, TAKEN_OVER, ExperimentLog, ExperimentRefused
from service.plan import Factor
from service.records import Records

ARMS = (Arm("control", "off", 0.5), Arm("treatment", "on", 0.5))


def experiment(key: str, factor: Factor, active: bool) -> Experiment:
    return Experiment(key, factor, f"layer-{factor}", 1.0, ARMS, active)


SPRING = experiment("spring", "adapter", active=True)
SUMMER = experiment("summer", "adapter", active=False)
PROMPT = experiment("prompt", "prompt", active=False)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
WEEK, MOMENT = timedelta(days=7), timedelta(microseconds=1)
ALL = (SPRING, SUMMER, PROMPT)


ROOT = Path(__file__).parents[3]
EARLIER = [
    {"at": "2026-03-01T10:00:00+00:00", "by": "Ada", "act": "stop", "experiment": "spring"},
    {"at": "2026-03-01T10:00:00+00:00", "by": "Ben", "act": "start", "experiment": "summer"},
    {"at": "2026-03-01T10:00:00+00:00", "by": "Ben", "act": "stop", "experiment": "summer"},
    {"at": "2026-03-01T10:00:00+00:00", "by": "Ben", "act": "start", "experiment": "summer"},
]
# Opens the records and takes the file over, but is killed at the named moment.
CHILD = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from ingest.database import Database
from service.experiments import running
from service.records import Records

url, file, moment = sys.argv[1:]
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
records = Records(Database(url))
if moment == "before the commit":
    event.listen(Engine, "commit", die)
if moment == "before the file is renamed":
    running.replace = die
records.experiments.take_over(Path(file))
if moment == "after an act":
    records.experiments.start("spring", (running.Experiment("spring", "adapter", "s", 1.0, (), False),), "Ada")
    print("done", flush=True)
    die()
"""


@pytest.fixture
def log(url: URL) -> Iterator[ExperimentLog]:
    with closing(Records(Database(url))) as records:
        yield records.experiments


@pytest.fixture
def another(url: URL) -> Iterator[ExperimentLog]:
    """As another process has it, with connections of its own."""
    with closing(Records(Database(url))) as records:
        yield records.experiments


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What the program before kept, with the line that a crash cut short."""
    file = tmp_path / EARLIER_LOG
    file.write_text("".join(f"{json.dumps(act)}\n" for act in EARLIER) + '{"at": "20', encoding="utf-8")
    return file


def kill(url: URL, file: Path, moment: str) -> str:
    place = url.render_as_string(hide_password=False)
    child = subprocess.run(
        [sys.executable, "-c", CHILD, place, str(file), moment], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.returncode == -signal.SIGKILL
    return child.stdout


def test_without_an_act_the_settings_decide(log: ExperimentLog) -> None:
    assert log.running(ALL) == (SPRING,)
    assert log.acts() == []


def test_the_last_act_decides_and_all_are_kept(log: ExperimentLog) -> None:
    log.stop("spring", ALL, "Ada")
    assert log.running(ALL) == ()
    log.start("summer", ALL, "Ben")
    log.start("prompt", ALL, "Ben")
    assert log.running(ALL) == (SUMMER, PROMPT)
    assert [(one["act"], one["by"]) for one in log.acts("spring")] == [("stop", "Ada")]
    assert [one["experiment"] for one in log.acts()] == ["spring", "summer", "prompt"]


@pytest.mark.parametrize(
    ("act", "key", "message"),
    [
        ("start", "spring", "'spring' is started already"),
        ("start", "summer", "'summer' and 'spring' are both about the adapter layer"),
        ("start", "autumn", "no experiment 'autumn'; there are: spring, summer, prompt"),
        ("stop", "summer", "'summer' is not started"),
        ("stop", "autumn", "no experiment 'autumn'"),
    ],
)
def test_what_cannot_be_changes_nothing(log: ExperimentLog, act: str, key: str, message: str) -> None:
    with pytest.raises(ExperimentRefused, match=message):
        getattr(log, act)(key, ALL, "Ada")
    assert log.acts() == []


def test_two_of_one_seed_do_not_run_together(log: ExperimentLog) -> None:
    copied = replace(PROMPT, seed=SPRING.seed)
    with pytest.raises(ExperimentRefused, match="'prompt' and 'spring' have one seed"):
        log.start("prompt", (SPRING, copied), "Ada")
    log.stop("spring", (SPRING, copied), "Ada")
    log.start("prompt", (SPRING, copied), "Ada")
    assert log.running((SPRING, copied)) == (copied,)


def test_what_is_started_runs_within_its_dates_only(log: ExperimentLog) -> None:
    dated = replace(SUMMER, slot=Slot(starts=DECEMBER, ends=DECEMBER + WEEK))
    log.start("summer", (dated,), "Ada")
    times = [DECEMBER - MOMENT, DECEMBER, DECEMBER + WEEK - MOMENT, DECEMBER + WEEK]
    assert [log.running((dated,), at) for at in times] == [(), (dated,), (dated,), ()]


@pytest.mark.parametrize(
    ("first", "second", "fit"),
    [
        (Slot(), Slot(), False),
        (Slot(ends=DECEMBER), Slot(starts=DECEMBER), True),
        (Slot(starts=DECEMBER), Slot(ends=DECEMBER), True),
        (Slot(ends=DECEMBER + MOMENT), Slot(starts=DECEMBER), False),
        (Slot(Namespace("n", 0, 0.5)), Slot(Namespace("n", 0.5, 1)), True),
        (Slot(Namespace("n", 0, 0.6)), Slot(Namespace("n", 0.5, 1)), False),
        (Slot(Namespace("n", 0, 0.5)), Slot(Namespace("m", 0.5, 1)), False),
        (Slot(Namespace("n", 0, 0.5)), Slot(), False),
    ],
)
def test_two_on_one_layer_start_only_where_nobody_can_be_in_both(
    log: ExperimentLog, first: Slot, second: Slot, fit: bool
) -> None:
    both = (replace(SPRING, slot=first), replace(SUMMER, slot=second))
    if fit:
        log.start("summer", both, "Ada")
    else:
        with pytest.raises(ExperimentRefused, match="parts of one namespace, or dates"):
            log.start("summer", both, "Ada")
    assert log.started(both) == (both if fit else both[:1])


def test_an_act_of_an_experiment_that_the_settings_lost_counts_for_nothing(log: ExperimentLog) -> None:
    log.start("prompt", ALL, "Ada")
    assert log.running((SPRING, SUMMER)) == (SPRING,)


def test_another_process_sees_every_act_at_its_next_look(log: ExperimentLog, another: ExperimentLog) -> None:
    log.stop("spring", ALL, "Ada")
    assert another.running(ALL) == ()
    another.start("summer", ALL, "Ben")
    assert log.running(ALL) == (SUMMER,)
    with pytest.raises(ExperimentRefused, match="'spring' and 'summer' are both about the adapter layer"):
        log.start("spring", ALL, "Ada")
    assert log.acts() == another.acts()
    assert [one["by"] for one in log.acts()] == ["Ada", "Ben"]


def test_of_two_that_start_at_once_on_one_layer_one_is_refused(log: ExperimentLog, another: ExperimentLog) -> None:
    waiting = (replace(SPRING, active=False), SUMMER)
    for _ in range(10):
        together = Barrier(2)

        def start(of: ExperimentLog, key: str, together: Barrier = together) -> bool:
            together.wait()
            try:
                of.start(key, waiting, "Ada")
            except ExperimentRefused:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(start, (log, another), ("spring", "summer"))) == [False, True]
        (won,) = log.started(waiting)
        log.stop(won.key, waiting, "Ada")
    assert len(log.acts()) == 20


def test_the_file_of_an_earlier_program_is_taken_over_once(log: ExperimentLog, file: Path) -> None:
    log.take_over(file)
    assert (log.acts(), log.running(ALL)) == (EARLIER, (SUMMER,))
    assert not file.exists()
    assert file.with_name(TAKEN_OVER).read_text(encoding="utf-8").startswith(json.dumps(EARLIER[0]))
    log.stop("summer", ALL, "Ada")
    log.take_over(file)
    assert len(log.acts()) == len(EARLIER) + 1
    assert log.running(ALL) == ()


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"at": "2026-03-01T10:00:00+00:00", "by": "Ada"}', "\xff"])
def test_a_file_that_cannot_be_read_is_refused_and_changes_nothing(
    log: ExperimentLog, file: Path, line: str
) -> None:
    file.write_bytes(json.dumps(EARLIER[0]).encode() + b"\n" + line.encode("latin-1") + b"\n")
    with pytest.raises(ExperimentRefused, match="Correct the line, or move the file away"):
        log.take_over(file)
    assert (log.acts(), file.exists()) == ([], True)


@pytest.mark.parametrize(
    ("moment", "committed"), [("before the commit", False), ("before the file is renamed", True)]
)
def test_a_kill_while_the_file_is_taken_over_loses_nothing(
    url: URL, file: Path, moment: str, committed: bool
) -> None:
    kill(url, file, moment)
    with closing(Records(Database(url))) as records:
        assert records.experiments.acts() == (EARLIER if committed else [])
        records.experiments.take_over(file)
        assert records.experiments.acts() == EARLIER
    assert not file.exists()


def test_what_is_done_between_a_kill_and_the_next_start_stays_the_last_word(url: URL, file: Path) -> None:
    kill(url, file, "before the file is renamed")
    with closing(Records(Database(url))) as records:
        records.experiments.stop("summer", ALL, "Ada")
        records.experiments.take_over(file)
        assert (len(records.experiments.acts()), records.experiments.running(ALL)) == (len(EARLIER) + 1, ())


def test_an_act_that_was_told_as_done_outlives_a_kill(url: URL, tmp_path: Path) -> None:
    assert kill(url, tmp_path / EARLIER_LOG, "after an act") == "done\n"
    with closing(Records(Database(url))) as records:
        assert [(one["act"], one["experiment"]) for one in records.experiments.acts()] == [("start", "spring")]
