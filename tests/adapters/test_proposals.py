import json
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.harvest import Judged, Proposal
from adapters.proposals import DecisionRefused, Proposals, UnknownProposal
from ingest.durable import DamagedLine
from tests.adapters.test_harvest import LIKED, RULES, made

OTHER = replace(LIKED, message="m2", question="Until when?")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "proposals.jsonl"


@pytest.fixture
def log(path: Path) -> Proposals:
    log = Proposals(path)
    log.propose([first(), made(OTHER, RULES)])
    return log


def first() -> Proposal:
    return made(LIKED)


def test_proposals_come_back_as_they_were(log: Proposals) -> None:
    assert [one.proposal for one in log.all()] == [first(), made(OTHER)]
    assert {one.state for one in log.all()} == {"open"}
    assert log.examples() == []


def test_who_accepted_and_refused_is_kept(log: Proposals) -> None:
    accepted = log.accept(LIKED.id, "Ada")
    refused = log.refuse(OTHER.id, "Grace", "It is no question.")
    assert (accepted.state, accepted.by, accepted.answer) == ("accepted", "Ada", first().answer)
    assert (refused.state, refused.by, refused.reason) == ("refused", "Grace", "It is no question.")
    assert accepted.at
    [example] = log.examples()
    assert (example.id, example.document, example.answer) == (LIKED.id, "visiting.md", first().answer)


def test_a_person_can_say_it_better_and_nothing_personal_comes_in_by_that(log: Proposals) -> None:
    accepted = log.accept(LIKED.id, "Ada", "Come from 10 a.m. to 8 p.m. [1]. Questions? Call 555-0100.")
    assert accepted.answer == "Come from 10 a.m. to 8 p.m [cite]. Questions? Call 555-0100."
    assert accepted.as_dict()["proposed"] == first().answer
    for answer in ("Call Bob at 555-0123.", " ", "[1]."):
        with pytest.raises(DecisionRefused, match="--answer"):
            log.accept(OTHER.id, "Ada", answer)
    assert log.get(OTHER.id).state == "open"


def test_an_answer_with_a_blank_needs_another_one(path: Path) -> None:
    log = Proposals(path)
    log.propose([made(replace(LIKED, answer=LIKED.answer.replace("0100", "0123")))])
    with pytest.raises(DecisionRefused, match="phone"):
        log.accept(LIKED.id, "Ada")


def test_the_last_decision_counts_and_the_earlier_ones_stay_in_the_log(log: Proposals, path: Path) -> None:
    log.accept(LIKED.id, "Ada")
    log.refuse(LIKED.id, "Grace", "Too long.")
    assert log.get(LIKED.id).state == "refused"
    assert log.examples() == []
    assert [json.loads(line)["act"] for line in path.read_text().splitlines()] == ["propose", "accept", "refuse"]


def test_a_later_word_withdraws_what_nobody_decided_on(log: Proposals) -> None:
    log.accept(OTHER.id, "Ada")
    later = [replace(LIKED, word=9, kind="disliked"), replace(OTHER, word=9, kind="disliked")]
    assert log.withdraw_outdated([LIKED, OTHER]) == []
    assert log.withdraw_outdated(later) == [LIKED.id]
    assert log.withdraw_outdated(later) == []
    assert [one.state for one in log.all()] == ["withdrawn", "accepted"]
    with pytest.raises(DecisionRefused, match="withdrawn"):
        log.accept(LIKED.id, "Ada")


def test_what_was_accepted_and_called_wrong_since_is_told_and_left_to_a_person(log: Proposals) -> None:
    log.accept(OTHER.id, "Ada")
    assert log.doubted([LIKED, OTHER, replace(OTHER, word=9)]) == []
    assert log.doubted([replace(LIKED, word=9, kind="disliked"), replace(OTHER, word=9, kind="disliked")]) == [
        OTHER.id
    ]
    assert [one.state for one in log.all()] == ["open", "accepted"]


def elsewhere(at: str) -> Judged:
    """The same question and answer in another conversation, where somebody called it unsafe."""
    answer = OTHER.answer.upper()
    return replace(OTHER, message="m9", word=20, kind="disliked", answer=answer, judged=at)


def test_what_is_called_wrong_in_another_conversation_is_told_too(log: Proposals) -> None:
    accepted_at = str(log.accept(OTHER.id, "Ada").at)
    assert log.doubted([OTHER, elsewhere(accepted_at)]) == [OTHER.id]
    assert log.doubted([OTHER, elsewhere("2026-01-01T00:00:00+00:00")]) == [], "known before it was accepted"
    log.accept(OTHER.id, "Ada", "You can visit until 8 p.m.")
    assert log.doubted([OTHER, elsewhere(accepted_at)]) == [], "another answer was accepted in its place"


def test_an_open_one_that_is_called_wrong_in_another_conversation_is_withdrawn(log: Proposals) -> None:
    assert log.withdraw_outdated([LIKED, OTHER, elsewhere("2026-01-01T00:00:00+00:00")]) == [OTHER.id]


def test_a_decision_needs_a_proposal_a_name_and_a_reason(log: Proposals) -> None:
    with pytest.raises(UnknownProposal, match="list"):
        log.accept("h-nothing", "Ada")
    with pytest.raises(DecisionRefused, match="--by"):
        log.accept(LIKED.id, " ")
    with pytest.raises(DecisionRefused, match="--reason"):
        log.refuse(LIKED.id, "Ada", "")
    assert {one.state for one in log.all()} == {"open"}


@pytest.mark.parametrize(("act", "changed"), [("accept", "acept"), ("accept", "propose"), (LIKED.id, "h-gone")])
def test_a_log_that_was_changed_by_hand_is_told_and_not_guessed_at(
    log: Proposals, path: Path, act: str, changed: str
) -> None:
    log.accept(LIKED.id, "Ada")
    *before, last = path.read_text().splitlines()
    path.write_text("\n".join([*before, "", last.replace(act, changed)]))
    with pytest.raises(DamagedLine, match="cannot be followed"):
        log.all()


def test_nothing_is_written_for_nothing(path: Path) -> None:
    log = Proposals(path)
    log.propose([])
    assert log.withdraw_outdated([LIKED]) == []
    assert not path.exists()
