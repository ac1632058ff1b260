"""Adapter versions: immutable folders, a promoted version for each name, and the way back."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapters.card import Card, read_card
from adapters.engines.protocol import AdapterWeights
from adapters.verify import verify

LABEL = re.compile(r"([a-z0-9][a-z0-9._-]{0,63})(?:@([1-9][0-9]{0,8}))?")
PROMOTED = "promoted.json"


class UnknownAdapter(LookupError):
    """No such adapter or version; the message lists what there is."""


@dataclass(frozen=True, slots=True)
class AdapterVersion:
    """An adapter's folder with PEFT's two files and the card."""

    name: str
    version: int
    folder: Path

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def card(self) -> Card:
        return read_card(self.folder)


class Registry:
    """Adapters as ROOT/NAME/VERSION/: those that the pack ships, and our own, which can be added to.

    The promoted version is the one in our promoted.json; without an entry there, the newest.
    """

    def __init__(self, shipped: Path, own: Path) -> None:
        self._shipped = shipped
        self._own = own

    def all(self) -> list[AdapterVersion]:
        found = {}
        for root in (self._own, self._shipped):
            for folder in sorted(root.glob("*/*/")):
                if LABEL.fullmatch(f"{folder.parent.name}@{folder.name}"):
                    version = AdapterVersion(folder.parent.name, int(folder.name), folder)
                    found[version.label] = version
        return sorted(found.values(), key=lambda one: (one.name, one.version))

    def resolve(self, label: str) -> AdapterVersion:
        """NAME@VERSION, or the promoted version of NAME. Raises UnknownAdapter."""
        known = {one.label: one for one in self.all()}
        full = self.promoted().get(label, label)
        if full not in known:
            raise UnknownAdapter(f"There is no adapter {label!r}; there are: {', '.join(known) or 'none'}.")
        return known[full]

    def labels(self) -> frozenset[str]:
        return frozenset(one.label for one in self.all())

    def promoted(self) -> Mapping[str, str]:
        """NAME -> the NAME@VERSION that the bare name means."""
        newest = {one.name: one.label for one in self.all()}
        return newest | {name: history[-1] for name, history in self._history().items() if history}

    def verified(self, label: str, base: str) -> AdapterWeights:
        """The version, through the gate. Raises UnknownAdapter, AdapterRefused."""
        version = self.resolve(label)
        card = verify(version.folder, base)
        return AdapterWeights(version.label, str(version.folder), card.weights_sha256)

    def promote(self, label: str, base: str) -> AdapterVersion:
        """From now on the bare name means this version; it has to pass the gate first."""
        version = self.resolve(label)
        verify(version.folder, base)
        history = self._history()
        before = history.get(version.name) or [self.promoted()[version.name]]
        # Promoted twice is promoted once: otherwise a rollback would stay where it is.
        after = before if before[-1] == version.label else [*before, version.label]
        self._remember("promote", history | {version.name: after}, version.label)
        return version

    def rollback(self, name: str) -> AdapterVersion:
        """Back to the version that was promoted before. Raises UnknownAdapter where there is none."""
        history = self._history()
        if len(history.get(name, [])) < 2:
            raise UnknownAdapter(f"{name!r} has no earlier promoted version to go back to.")
        kept = history[name][:-1]
        self._remember("rollback", history | {name: kept}, kept[-1])
        return self.resolve(kept[-1])

    def add(self, name: str, folder: Path) -> AdapterVersion:
        """Copy a trained adapter in as the next version of the name."""
        if not LABEL.fullmatch(name) or "@" in name:
            raise UnknownAdapter(f"{name!r} is no adapter name: use small letters, digits, '.', '_' and '-'.")
        number = max((one.version for one in self.all() if one.name == name), default=0) + 1
        target = self._own / name / str(number)
        unfinished = target.with_name(f".{number}.{os.getpid()}")
        shutil.copytree(folder, unfinished)
        unfinished.rename(target)
        return AdapterVersion(name, number, target)

    def _history(self) -> dict[str, list[str]]:
        """The promoted labels of each name, the newest last."""
        path = self._own / PROMOTED
        history: dict[str, list[str]] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        return history

    def _remember(self, act: str, history: Mapping[str, list[str]], label: str) -> None:
        self._own.mkdir(parents=True, exist_ok=True)
        entry = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "act": act, "adapter": label}
        with (self._own / "promotions.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")
        write_durably(self._own / PROMOTED, json.dumps(history, indent=1) + "\n")


def write_durably(path: Path, text: str) -> None:
    """Replace a file as a whole: after a crash the old or the new text is there."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
