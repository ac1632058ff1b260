"""Adapter versions: immutable folders, a promoted version for each name, and the way back."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from adapters.card import Card, CardError, read_card
from adapters.engines.protocol import AdapterRefused, AdapterWeights
from adapters.header import BaseFile, Shapes
from adapters.scores import SCORES, AdapterScore, latest_score, record_score
from adapters.strength import at_strength, split_strength, with_strength
from adapters.verify import verify
from ingest.durable import DamagedLine, append_entry, published_folder, read_entries, replace_text
from ingest.records import now

LABEL = re.compile(r"([a-z0-9][a-z0-9._-]{0,63})(?:@([1-9][0-9]{0,8}))?")
HISTORY = TypeAdapter(dict[str, list[str]])
PROMOTED, LOG = "promoted.json", "promotions.jsonl"
# No adapter's name begins with a dot.
SCALED = ".scaled"


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

    @property
    def problem(self) -> str | None:
        """Why its card cannot be read, for lists: one bad folder hides no other version."""
        try:
            read_card(self.folder)
        except CardError as error:
            return str(error)
        return None


class Registry:
    """Adapters as ROOT/NAME/VERSION/: those that the pack ships, and our own, which can be added to.

    The promoted version is the one in our promoted.json; without an entry there, the newest that ships: our own
    never serve under the bare name unless somebody says so. `base` is the one that serves: what an adapter has to
    fit. It is None where the base is on another machine.
    """

    def __init__(self, shipped: Path, own: Path, base: BaseFile | None = None) -> None:
        self._shipped = shipped
        self._own = own
        self._base = base

    @property
    def _shapes(self) -> Shapes | None:
        return self._base.shapes if self._base else None

    def all(self) -> list[AdapterVersion]:
        """Every folder, the shipped before our own; a number that both have is there twice, and never resolved."""
        found = [
            AdapterVersion(folder.parent.name, int(folder.name), folder)
            for root in (self._shipped, self._own)
            for folder in root.glob("*/*/")
            if LABEL.fullmatch(f"{folder.parent.name}@{folder.name}")
        ]
        return sorted(found, key=lambda one: (one.name, one.version))

    def resolve(self, label: str) -> AdapterVersion:
        """NAME@VERSION, or the promoted version of NAME. Raises UnknownAdapter, AdapterRefused."""
        known = self.all()
        full = self.promoted().get(label, label)
        found = [one for one in known if one.label == full]
        if not found:
            versions = ", ".join(one.label for one in known if one.name == label)
            if versions and full == label:
                raise UnknownAdapter(f"No version of {label!r} is promoted: promote one, or name it: {versions}.")
            there = ", ".join(dict.fromkeys(one.label for one in known)) or "none"
            raise UnknownAdapter(f"There is no adapter {full!r}; there are: {there}.")
        if len(found) > 1:
            shipped, own = (one.folder for one in found)
            number = self._next(found[0].name)
            raise AdapterRefused(
                f"{full} is there twice, shipped in {shipped} and our own in {own}: a version has to be one thing. "
                f"Rename {own} to {number}, the next free number, and promote {found[0].name}@{number} then, if "
                "our own was the promoted one."
            )
        return found[0]

    def full_label(self, label: str) -> str:
        """With its version, and its strength if it has one. Raises UnknownAdapter, AdapterRefused."""
        name, strength = split_strength(label)
        return with_strength(self.resolve(name).label, strength)

    def labels(self) -> frozenset[str]:
        return frozenset(one.label for one in self.all())

    def promoted(self) -> Mapping[str, str]:
        """NAME -> the NAME@VERSION that the bare name means."""
        newest = {one.name: one.label for one in self.all() if one.folder.is_relative_to(self._shipped)}
        return newest | {name: history[-1] for name, history in self._history().items() if history}

    def verified(self, label: str, base: str) -> AdapterWeights:
        """The version, through the gate, at the label's strength. Raises UnknownAdapter, AdapterRefused."""
        name, strength = split_strength(label)
        version = self.resolve(name)
        card = verify(version.folder, base, self._shapes)
        if version.label == self.promoted().get(version.name):
            self._check_promoted(version, card)
        weights = AdapterWeights(version.label, str(version.folder), card.weights_sha256, tuple(card.probe.items()))
        return at_strength(weights, strength, self._own / SCALED)

    def promote(self, label: str, base: str, by: str, despite: str | None = None) -> AdapterVersion:
        """From now on the bare name means this version; it has to pass the gate first. `by` is for the log.

        One that its largest evaluation found worse than the base is refused, unless `despite` has the reason why it
        may go out, which is kept with the name. Raises UnknownAdapter, AdapterRefused.
        """
        version = self.resolve(label)
        card = verify(version.folder, base, self._shapes)
        score = latest_score((self._shipped, self._own), card.weights_sha256)
        if score and score.worse and not despite:
            raise AdapterRefused(score.refusal())
        history = self._history()
        meant = self.promoted().get(version.name)
        before = history.get(version.name) or ([meant] if meant else [])
        # Promoted twice is promoted once: otherwise a rollback would stay where it is.
        after = before if meant == version.label else [*before, version.label]
        self._remember("promote", version, meant, history | {version.name: after}, by, despite)
        return version

    def rollback(self, name: str, base: str, by: str) -> AdapterVersion:
        """Back to the version that was promoted before, through the gate. Raises UnknownAdapter, AdapterRefused."""
        version = self.earlier(name)
        self._check_promoted(version, verify(version.folder, base, self._shapes))
        history = self._history()
        *kept, before = history[name]
        self._remember("rollback", version, before, history | {name: kept}, by)
        return version

    def earlier(self, name: str) -> AdapterVersion:
        """What a rollback would go back to. Raises UnknownAdapter, AdapterRefused."""
        history = self._history().get(name, [])
        if len(history) < 2:
            raise UnknownAdapter(f"{name!r} has no earlier promoted version to go back to.")
        return self.resolve(history[-2])

    def promotions(self) -> list[dict[str, Any]]:
        """The log, the oldest first: at, by, act, adapter, weights_sha256, before. Raises AdapterRefused."""
        try:
            return read_entries(self._own / LOG)
        except DamagedLine as error:
            raise AdapterRefused(f"What was promoted is unknown: {error}") from error

    def record_score(self, score: AdapterScore) -> None:
        record_score(self._own, score)

    def score(self, version: AdapterVersion) -> AdapterScore | None:
        """Its evaluation with the most questions, if there was one."""
        return latest_score((self._shipped, self._own), version.card.weights_sha256)

    def add(self, name: str, folder: Path) -> AdapterVersion:
        """Copy a trained adapter in as the next version of the name, after the shipped ones."""
        if not LABEL.fullmatch(name) or "@" in name:
            raise UnknownAdapter(f"{name!r} is no adapter name: use small letters, digits, '.', '_' and '-'.")
        if (named := read_card(folder).name) != name:
            raise AdapterRefused(f"The adapter in {folder} is {named!r} by its card, not {name!r}.")
        while True:
            number = self._next(name)
            target = self._own / name / str(number)
            try:
                with published_folder(target) as unfinished:
                    shutil.copytree(folder, unfinished)
                return AdapterVersion(name, number, target)
            except OSError:
                # Another training may have taken the number meanwhile.
                if not target.is_dir():
                    raise

    def _next(self, name: str) -> int:
        """After all that the name ever had, as far as it was promoted or evaluated: where a folder is gone, its
        number still means what was in it.
        """
        logs = (root / file for root in (self._shipped, self._own) for file in (PROMOTED, LOG, SCORES))
        # As text: a damaged line must not lose what took hours to train.
        text = "".join(log.read_text(encoding="utf-8", errors="replace") for log in logs if log.is_file())
        told = re.findall(rf'"{re.escape(name)}@([1-9][0-9]{{0,8}})', text)
        return max([*map(int, told), *(one.version for one in self.all() if one.name == name)], default=0) + 1

    def _check_promoted(self, version: AdapterVersion, card: Card) -> None:
        """Raises AdapterRefused where its label was last promoted with other weights; old entries do not tell."""
        then = [
            entry["weights_sha256"]
            for entry in self.promotions()
            if entry.get("adapter") == version.label and "weights_sha256" in entry
        ]
        if then and then[-1] != card.weights_sha256:
            raise AdapterRefused(
                f"{version.label} was promoted with the weights {then[-1][:12]}, but {version.folder} has "
                f"{card.weights_sha256[:12]}: a version has to be one thing. If the promoted weights have another "
                "number by now, promote that. If those in the folder are meant, stop the service and promote them "
                f"anew: triptych adapters promote {version.label}."
            )

    def _history(self) -> dict[str, list[str]]:
        """The promoted labels of each name, the newest last."""
        path = self._own / PROMOTED
        try:
            return HISTORY.validate_json(path.read_bytes() if path.is_file() else b"{}")
        except ValidationError as error:
            raise AdapterRefused(
                f"{path} is damaged, so which versions are promoted is unknown: {error}. Move it away and promote "
                f"them again; {self._own / LOG} tells which they were."
            ) from error

    def _remember(
        self,
        act: str,
        version: AdapterVersion,
        before: str | None,
        history: Mapping[str, list[str]],
        by: str,
        despite: str | None = None,
    ) -> None:
        """The log first: a crash can leave an entry without its act, never an act without its entry."""
        self._own.mkdir(parents=True, exist_ok=True)
        entry = {"at": now(), "by": by, "act": act, "adapter": version.label, "before": before}
        entry["weights_sha256"] = version.card.weights_sha256
        append_entry(self._own / LOG, entry | ({"despite": despite} if despite else {}))
        replace_text(self._own / PROMOTED, json.dumps(history, indent=1) + "\n")
