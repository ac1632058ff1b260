from pathlib import Path

import pytest

from service.experiments.assign import Arm, Experiment
from service.experiments.running import ExperimentLog, ExperimentRefused
from service.plan import Factor

ARMS = (Arm("control", "off", 0.5), Arm("treatment", "on", 0.5))


def experiment(key: str, factor: Factor, active: bool) -> Experiment:
    return Experiment(key, factor, f"layer-{factor}", 1.0, ARMS, active)


SPRING = experiment("spring", "adapter", active=True)
SUMMER = experiment("summer", "adapter", active=False)
PROMPT = experiment("prompt", "prompt", active=False)
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
        ("start", "spring", "'spring' runs already"),
        ("start", "summer", "'summer' and 'spring' are both about the adapter layer"),
        ("start", "autumn", "no experiment 'autumn'; there are: spring, summer, prompt"),
        ("stop", "summer", "'summer' does not run"),
        ("stop", "autumn", "no experiment 'autumn'"),
    ],
)
def test_what_cannot_be_changes_nothing(log: ExperimentLog, act: str, key: str, message: str) -> None:
    with pytest.raises(ExperimentRefused, match=message):
        getattr(log, act)(key, ALL, "Ada")
    assert log.acts() == []


def test_an_act_of_an_experiment_that_the_settings_lost_counts_for_nothing(log: ExperimentLog) -> None:
    log.start("prompt", ALL, "Ada")
    assert log.running((SPRING, SUMMER)) == (SPRING,)
