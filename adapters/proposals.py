"""The log of proposed style examples: what was proposed, and who accepted or refused it when."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from adapters.examples import StyleExample
from adapters.harvest import Judged, Proposal, called_wrong, key_of, marked
from ingest.durable import DamagedLine, append_entry, read_entries
from ingest.personal import KINDS, redact
from ingest.records import now

State = Literal["open", "accepted", "refused", "withdrawn"]
BLANK = re.compile("|".join(rf"\[{kind}\]" for kind in KINDS))


class UnknownProposal(LookupError):
    """There is no such proposal."""


class DecisionRefused(ValueError):
    """The proposal cannot be decided like this; the message says why."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A proposal and the last decision on it. `answer` is the one that counts; `at` is UTC (ISO 8601)."""

    proposal: Proposal
    answer: str
    state: State = "open"
    by: str | None = None
    at: str | None = None
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """With the answer that was proposed, where a person accepted another one."""
        decision = {"state": self.state, "by": self.by, "at": self.at, "reason": self.reason}
        return {**asdict(self.proposal), "answer": self.answer, "proposed": self.proposal.answer, **decision}


class Proposals:
    """Reads at any time; who writes holds the folder's OwnerLock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> list[Standing]:
        """In the order in which they were proposed. Raises DamagedLine."""
        standings: dict[str, Standing] = {}
        for entry in read_entries(self._path):
            try:
                standings |= acted(standings, entry)
            except (KeyError, TypeError) as error:
                raise DamagedLine(
                    f"{self._path}: the entry of {entry.get('at')} with the act {entry.get('act')!r} cannot be "
                    f"followed ({error}). Mend it, or take it out."
                ) from error
        return list(standings.values())

    def get(self, identity: str) -> Standing:
        """Raises UnknownProposal."""
        found = [one for one in self.all() if one.proposal.id == identity]
        if not found:
            raise UnknownProposal(f"No proposal {identity!r}. `triptych adapters harvest list` shows all of them.")
        return found[0]

    def propose(self, proposals: Sequence[Proposal]) -> None:
        """All of them in one entry: a crash leaves all or none."""
        if proposals:
            self._append("propose", proposals=[asdict(one) for one in proposals])

    def withdraw_outdated(self, answers: Iterable[Judged]) -> list[str]:
        """Open proposals on which there is a later word by now are withdrawn; their ids.

        So are those whose answer somebody called wrong, when it was given to them for the same question.
        """
        answers = list(answers)
        wrong = called_wrong(answers)
        latest = {judged.message: judged.word for judged in answers}
        open_ones = [one.proposal for one in self.all() if one.state == "open"]
        outdated = [
            one.id for one in open_ones if latest.get(one.message, one.word) != one.word or one.key in wrong
        ]
        if outdated:
            self._append(
                "withdraw", ids=outdated, reason="There is a later word on the answer, or on an equal one."
            )
        return outdated

    def doubted(self, answers: Iterable[Judged]) -> list[str]:
        """Ids of accepted proposals whose answer somebody called wrong since. A person decides on them, not we.

        Also where the same question got the same answer in another conversation, and it was called wrong there.
        """
        answers = list(answers)
        elsewhere = called_wrong(answers)
        words = {judged.message: judged.word for judged in answers if judged.kind in ("disliked", "corrected")}

        def is_doubted(one: Standing) -> bool:
            made = one.proposal
            later = elsewhere.get(key_of(made.question, one.answer), "") >= str(one.at)
            return later or words.get(made.message, made.word) != made.word

        return [one.proposal.id for one in self.all() if one.state == "accepted" and is_doubted(one)]

    def accept(self, identity: str, by: str, answer: str | None = None) -> Standing:
        """Raises UnknownProposal, and DecisionRefused for an answer with something personal or nothing in it."""
        found = self._decidable(identity, by)
        text = marked(redact(found.answer if answer is None else answer, found.proposal.public))
        if BLANK.search(text) or not text.replace("[cite]", "").strip(" ."):
            raise DecisionRefused(
                f"The answer would be {text!r}. What looks personal stays only where the passages' documents have "
                "it, and a model must not learn the blank in its place. Give the whole answer with --answer."
            )
        self._append("accept", ids=[identity], by=by, answer=text)
        return self.get(identity)

    def refuse(self, identity: str, by: str, reason: str) -> Standing:
        """Raises UnknownProposal, DecisionRefused."""
        self._decidable(identity, by)
        if not reason.strip():
            raise DecisionRefused("Who reads the log wants to know why: give a reason with --reason.")
        self._append("refuse", ids=[identity], by=by, reason=reason)
        return self.get(identity)

    def examples(self) -> list[StyleExample]:
        """The accepted ones."""
        return [one.proposal.example(one.answer) for one in self.all() if one.state == "accepted"]

    def _decidable(self, identity: str, by: str) -> Standing:
        found = self.get(identity)
        if not by.strip():
            raise DecisionRefused("A person decides, and the log keeps who: give a name with --by.")
        if found.state == "withdrawn":
            raise DecisionRefused(f"{identity} was withdrawn: {found.reason} Decide on the newer proposal, if any.")
        return found

    def _append(self, act: str, **values: Any) -> None:
        append_entry(self._path, {"at": now(), "act": act, **values})


def acted(standings: Mapping[str, Standing], entry: dict[str, Any]) -> dict[str, Standing]:
    """The proposals that an entry of the log made or decided on, as they stand after it."""
    if entry["act"] == "propose":
        made = [Proposal(**{**one, "public": tuple(one["public"])}) for one in entry["proposals"]]
        return {one.id: Standing(one, one.answer) for one in made}
    return {one: decided(standings[one], entry) for one in entry["ids"]}


def decided(standing: Standing, entry: dict[str, Any]) -> Standing:
    """A later decision takes the place of an earlier one, which stays in the log."""
    states: dict[str, State] = {"accept": "accepted", "refuse": "refused", "withdraw": "withdrawn"}
    answer = entry.get("answer", standing.answer)
    return Standing(
        standing.proposal, answer, states[entry["act"]], entry.get("by"), entry["at"], entry.get("reason")
    )
