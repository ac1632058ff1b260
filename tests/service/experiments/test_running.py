from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from configs.slot import Namespace, Slot
from service.experiments.assign import Arm, Experiment
from service.experiments.running import ExperimentLog, ExperimentRefused
from service.plan import Factor

ARMS = (Arm("control", "off", 0.5), Arm("treatment", "on", 0.5))


def experiment(key: str, factor: Factor, active: bool) -> Experiment:
    return Experiment(key, factor, f"layer-{factor}", 1.0, ARMS, active)


SPRING = experiment("spring", "adapter", active=True)
SUMMER = experiment("summer", "adapter", active=False)
PROMPT = experiment("prompt", "prompt", active=False)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
WEEK, MOMENT = timedelta(days=7), timedelta(microseconds=1)
ALL = (SPRING, SUMMER, PROMPT)


@pytest.fixture
def log(tmp_path: Path) -> ExperimentLog:
    return ExperimentLog(tmp_path / "data" / "experiments.jsonl")


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
