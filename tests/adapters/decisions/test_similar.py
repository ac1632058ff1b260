"""Similar past records and their votes."""

import numpy as np
import pytest

from adapters.decisions.records import Case, PastCase
from adapters.decisions.similar import Memory, combined, votes


def past(identity: str, service: str, code: str) -> PastCase:
    return PastCase(identity, Case({"service": service}, {}, ""), "approved", code)


PAST = [past("a", "MRI", "A1"), past("b", "PET", "A2"), past("c", "MRI", "A2"), past("d", "MRI", "A1")]
VECTORS = np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)


def test_the_nearest_of_the_same_service_come_first() -> None:
    found = Memory(PAST, VECTORS).nearest(PAST[0].case, VECTORS[0], 2)
    assert [(one.past.id, round(one.similarity, 3)) for one in found] == [("a", 1.0), ("d", 0.6)]


def test_nearer_ones_weigh_more_and_none_means_no_vote() -> None:
    found = Memory(PAST, VECTORS).nearest(PAST[0].case, VECTORS[2], 3)
    shares = votes(found, ("A1", "A2"))
    assert shares.sum() == pytest.approx(1)
    assert shares[1] > 0.9
    assert not votes([], ("A1", "A2")).any()


def test_votes_change_the_head_by_their_part_and_nothing_where_there_are_none() -> None:
    head, voted = np.array([0.9, 0.1], dtype=np.float32), np.array([0, 1], dtype=np.float32)
    assert combined(head, voted, 0.5) == pytest.approx([0.45, 0.55])
    assert combined(head, np.zeros(2, dtype=np.float32), 0.5) == pytest.approx(head)
