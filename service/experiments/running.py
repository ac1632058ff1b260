"""Which experiments run: as the settings say, until a person starts or stops one; every such act is kept."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from adapters.durable import append_entry, read_entries
from service.experiments.assign import Experiment
from service.plan import Layers
from service.switches import Known, meant

LOG = "experiments.jsonl"
Act = Literal["start", "stop"]


class ExperimentRefused(ValueError):
    """The experiment cannot be started or stopped like this; the message says why."""


class ExperimentLog:
    """Reads at any time, also beside a running service; who writes holds the data folder's lock for experiments."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def acts(self, key: str | None = None) -> list[dict[str, Any]]:
        """The oldest first: at (UTC, ISO 8601), by, act, experiment."""
        return [entry for entry in read_entries(self._path) if key in (None, entry["experiment"])]

    def started(self, experiments: Sequence[Experiment]) -> tuple[Experiment, ...]:
        last = {entry["experiment"]: entry["act"] for entry in self.acts()}
        return tuple(one for one in experiments if last.get(one.key, "start" if one.active else "stop") == "start")

    def running(self, experiments: Sequence[Experiment], now: datetime | None = None) -> tuple[Experiment, ...]:
        """Those that are started, within their dates."""
        at = now or datetime.now(UTC)
        return tuple(one for one in self.started(experiments) if one.slot.open_at(at))

    def start(self, key: str, experiments: Sequence[Experiment], by: str) -> None:
        """From the next request on, or from its date on; in a running service, too. Raises ExperimentRefused."""
        wanted, started = named(key, experiments), self.started(experiments)
        if wanted in started:
            raise ExperimentRefused(f"The experiment {key!r} is started already ({wanted.slot}).")
        check_alone([*started, wanted])
        self._append("start", key, by)

    def stop(self, key: str, experiments: Sequence[Experiment], by: str) -> None:
        """From the next request on, its layer is as configured; its records stay. Raises ExperimentRefused."""
        if named(key, experiments) not in self.started(experiments):
            raise ExperimentRefused(f"The experiment {key!r} is not started.")
        self._append("stop", key, by)

    def _append(self, act: Act, key: str, by: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        append_entry(self._path, {"at": at, "by": by, "act": act, "experiment": key})


def named(key: str, experiments: Sequence[Experiment]) -> Experiment:
    """Raises ExperimentRefused where the settings know none of this key."""
    found = next((one for one in experiments if one.key == key), None)
    if found is None:
        known = ", ".join(one.key for one in experiments) or "none"
        raise ExperimentRefused(f"The settings have no experiment {key!r}; there are: {known}.")
    return found


def check_arms(experiment: Experiment, configured: Layers, known: Known) -> None:
    """Every arm names something that exists; `on` is what the configuration names.

    Raises SwitchRefused, and ExperimentRefused where a collection would be interleaved with itself.
    """
    named = {
        meant(experiment.factor, arm.value, configured, known) for arm in experiment.arms if arm.value != "off"
    }
    if experiment.interleave and len(named) == 1:
        raise ExperimentRefused(
            f"{experiment.key!r} interleaves the collection {named.pop()!r} with itself; name another in one arm."
        )


def check_alone(started: Sequence[Experiment]) -> None:
    """Two on one layer would undo each other, unless nobody can be in both. Raises ExperimentRefused."""
    for one, other in combinations(started, 2):
        if one.factor == other.factor and not one.slot.apart_from(other.slot):
            raise ExperimentRefused(
                f"{other.key!r} and {one.key!r} are both about the {one.factor} layer: stop one of them first, or "
                "give them parts of one namespace, or dates one after the other."
            )
