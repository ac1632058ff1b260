"""Which experiments run: as the settings say, until a person starts or stops one; every such act is kept."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

from ingest.database import Database
from ingest.durable import read_entries, replace
from service.acts import FIELDS, Act, add_act, kept_acts, last_acts, merge_acts
from service.experiments.assign import Experiment
from service.plan import Layers
from service.switches import Known, meant

# Where an earlier program kept the acts, in the data folder, and what the file is called once they are taken over.
EARLIER_LOG, TAKEN_OVER = "experiments.jsonl", "experiments.jsonl.taken-over"


class ExperimentRefused(ValueError):
    """The experiment cannot be started or stopped like this; the message says why."""


class ExperimentLog:
    """Kept with the records: what is done in one process, every service of the database sees at its next request.

    Safe to use from several threads, and from several processes at once.
    """

    def __init__(self, database: Database) -> None:
        """The database has the records' tables."""
        self._database = database

    def acts(self, key: str | None = None) -> list[dict[str, Any]]:
        """The oldest first: at (UTC, ISO 8601), by, act, experiment."""
        with self._database.read() as connection:
            return [act for act in kept_acts(connection) if key in (None, act["experiment"])]

    def started(self, experiments: Sequence[Experiment]) -> tuple[Experiment, ...]:
        if not experiments:
            return ()
        with self._database.read() as connection:
            return started_by(last_acts(connection), experiments)

    def running(self, experiments: Sequence[Experiment], now: datetime | None = None) -> tuple[Experiment, ...]:
        """Those that are started, within their dates."""
        at = now or datetime.now(UTC)
        return tuple(one for one in self.started(experiments) if one.slot.open_at(at))

    def start(self, key: str, experiments: Sequence[Experiment], by: str) -> None:
        """From the next request on, or from its date on; in a running service, too. Raises ExperimentRefused."""
        wanted = named(key, experiments)
        with self._acting("start", key, by) as earlier:
            started = started_by(earlier, experiments)
            if wanted in started:
                raise ExperimentRefused(f"The experiment {key!r} is started already ({wanted.slot}).")
            check_alone([*started, wanted])

    def stop(self, key: str, experiments: Sequence[Experiment], by: str) -> None:
        """From the next request on, its layer is as configured; its records stay. Raises ExperimentRefused."""
        wanted = named(key, experiments)
        with self._acting("stop", key, by) as earlier:
            if wanted not in started_by(earlier, experiments):
                raise ExperimentRefused(f"The experiment {key!r} is not started.")

    def take_over(self, path: Path) -> None:
        """Moves the acts here that an earlier program kept in a file, if there is one. The caller owns its folder.

        Raises ExperimentRefused where the file cannot be read; then nothing is moved.
        """
        if not path.is_file():
            return
        earlier = entries_of(path)
        with self._database.write() as connection:
            merge_acts(connection, earlier)
        # Only now: after a crash before this line the file is read again, and what is here is not added twice.
        replace(path, path.with_name(TAKEN_OVER))

    @contextmanager
    def _acting(self, act: Act, key: str, by: str) -> Iterator[Mapping[str, Act]]:
        """The last acts before this one, which is kept unless the block raises.

        It is written first: from there on no other process acts until the block has looked at what was.
        """
        with self._database.write() as connection:
            number = add_act(connection, act, key, by)
            yield last_acts(connection, before=number)


def started_by(last: Mapping[str, Act], experiments: Sequence[Experiment]) -> tuple[Experiment, ...]:
    """By each one's last act; without any as the settings say."""
    return tuple(one for one in experiments if last.get(one.key, "start" if one.active else "stop") == "start")


def entries_of(path: Path) -> list[dict[str, str]]:
    """A file's acts, the oldest first. Raises ExperimentRefused."""
    try:
        return [{name: str(entry[name]) for name in FIELDS} for entry in read_entries(path)]
    except (KeyError, TypeError, ValueError) as error:
        raise ExperimentRefused(
            f"{path} cannot be taken over into the database: expected lines of JSON with {', '.join(FIELDS)}, got "
            f"{type(error).__name__}: {error}. Correct the line, or move the file away: then its starts and stops "
            "count no more."
        ) from None


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
    """Two on one layer would undo each other, and two of one seed be one, unless nobody can be in both.

    Raises ExperimentRefused.
    """
    meeting = [pair for pair in combinations(started, 2) if not pair[0].slot.apart_from(pair[1].slot)]
    for one, other in meeting:
        if one.factor == other.factor:
            raise ExperimentRefused(
                f"{other.key!r} and {one.key!r} are both about the {one.factor} layer: stop one of them first, or "
                "give them parts of one namespace, or dates one after the other."
            )
        if one.seed == other.seed:
            raise ExperimentRefused(
                f"{other.key!r} and {one.key!r} have one seed: the same users would be in the same arms of both, "
                "so no effect could be told from the other. Stop one of them first, or give it another seed."
            )
