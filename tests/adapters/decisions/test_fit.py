"""The head: fitted to a few records, kept, read through its gate, and what it decides."""

import json
from pathlib import Path

import numpy as np
import pytest

from adapters.decisions.fit import HEAD, HEAD_RETRIEVAL, embedded, fit_head
from adapters.decisions.head import CARD, WEIGHTS, Head, likeliest, read_head, write_head
from adapters.decisions.policy import Policy, PolicyError
from adapters.decisions.records import PastCase, Record, of_split
from ingest.embed import Embedder


@pytest.fixture(scope="module")
def past(records: list[Record]) -> list[PastCase]:
    return [record.past() for record in records]


@pytest.fixture(scope="module")
def head(past: list[PastCase], policy: Policy, embedder: Embedder) -> Head:
    return fit_head(past, policy.decisions, embedder, 5, policy.sha256)


@pytest.fixture
def kept(tmp_path: Path, head: Head) -> Path:
    write_head(head, tmp_path)
    return tmp_path


def test_it_learns_more_than_the_most_frequent_decision(
    head: Head, past: list[PastCase], embedder: Embedder
) -> None:
    test = embedded(of_split(past, "test"), embedder)
    best = [likeliest(row, head.card.codes, head.card.decisions) for row in head.codes(test.cases, test.notes)]
    right = np.mean([decision == one.decision for (decision, _, _), one in zip(best, test.past, strict=True)])
    assert right > np.mean([one.decision == "approved" for one in test.past]) + 0.05
    assert all(head.card.decisions[code] == decision for decision, code, _ in best)
    assert head.card.ways.keys() == {HEAD, HEAD_RETRIEVAL}
    assert head.card.similar == 5


def test_it_is_read_as_it_was_written(
    head: Head, kept: Path, past: list[PastCase], embedder: Embedder, policy: Policy
) -> None:
    again = read_head(kept, embedder.fingerprint, past, policy.sha256)
    assert np.array_equal(again.weights, head.weights)
    assert again.card.model_copy(update={"weights_sha256": ""}) == head.card
    assert np.allclose(again.memory, head.memory, atol=1e-3)


def test_another_embedder_or_policy_and_other_records_are_refused(
    kept: Path, past: list[PastCase], embedder: Embedder, policy: Policy
) -> None:
    with pytest.raises(PolicyError, match="was made with the embedder"):
        read_head(kept, "another", past, policy.sha256)
    with pytest.raises(PolicyError, match="was made from other records"):
        read_head(kept, embedder.fingerprint, past[1:], policy.sha256)
    with pytest.raises(PolicyError, match=r"was made for another policy .* Run `triptych decisions fit`"):
        read_head(kept, embedder.fingerprint, past, "another")


def test_changed_weights_are_refused(kept: Path, past: list[PastCase], embedder: Embedder) -> None:
    content = bytearray((kept / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (kept / WEIGHTS).write_bytes(content)
    with pytest.raises(PolicyError, match="its card says"):
        read_head(kept, embedder.fingerprint, past, "")


def test_a_head_of_an_earlier_program_is_refused(
    kept: Path, past: list[PastCase], embedder: Embedder, policy: Policy
) -> None:
    card = json.loads((kept / CARD).read_text())
    del card["similar"]
    (kept / CARD).write_text(json.dumps(card))
    with pytest.raises(PolicyError, match=r"nor the order of its memory. Run `triptych decisions fit`"):
        read_head(kept, embedder.fingerprint, past, policy.sha256)


@pytest.mark.parametrize("damage", ["missing", "unreadable"])
def test_a_damaged_head_is_refused(kept: Path, past: list[PastCase], embedder: Embedder, damage: str) -> None:
    if damage == "missing":
        (kept / CARD).unlink()
    else:
        card = json.loads((kept / CARD).read_text())
        (kept / CARD).write_text(json.dumps(card | {"extra": 1}))
    with pytest.raises(PolicyError, match="cannot be used"):
        read_head(kept, embedder.fingerprint, past, "")


def test_too_few_records_are_refused(past: list[PastCase], policy: Policy, embedder: Embedder) -> None:
    with pytest.raises(PolicyError, match="are too few"):
        fit_head(past[:30], policy.decisions, embedder, 5)


def test_a_folder_that_cannot_be_written_is_named(head: Head, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PolicyError, match=r"cannot be written to .*file"):
        write_head(head, tmp_path / "file")
    (tmp_path / "head" / WEIGHTS).mkdir(parents=True)
    with pytest.raises(PolicyError, match=r"cannot be written to .*head"):
        write_head(head, tmp_path / "head")


def test_a_decision_is_the_sum_of_its_codes() -> None:
    shares = np.array([0.3, 0.4, 0.3], dtype=np.float32)
    decisions = {"A1": "approved", "R1": "rejected", "A2": "approved"}
    decision, code, share = likeliest(shares, ("A1", "R1", "A2"), decisions)  # type: ignore[arg-type]
    assert (decision, code) == ("approved", "A1")
    assert share == pytest.approx(0.6)
