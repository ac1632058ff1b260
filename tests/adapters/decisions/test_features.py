"""Marks of a case: fields, sizes of numbers in fields and notes, words."""

import numpy as np

from adapters.decisions.features import cuts_of, marks, matrix, vocabulary
from adapters.decisions.records import Case


def case(weeks: int | None, note: str = "", service: str = "MRI") -> Case:
    return Case({"service": service}, {} if weeks is None else {"measured": weeks}, note)


def test_a_number_gets_marks_up_to_its_size_for_its_service_only() -> None:
    cuts = cuts_of([case(weeks) for weeks in range(1, 13)])
    small, large = marks(case(3), cuts), marks(case(12), cuts)
    assert {mark for mark in small if ">=" in mark} < {mark for mark in large if ">=" in mark}
    assert not [mark for mark in marks(case(12, service="PET"), cuts) if ">=" in mark]
    assert "measured is known" not in marks(case(None), cuts)


def test_a_number_of_the_note_is_known_by_the_word_after_it() -> None:
    found = marks(case(None, "Therapy for 8 weeks."), {"MRI|note weeks": (6.0,)})
    assert {"MRI|note weeks>=6", "word therapy", "word therapy for"} <= found


def test_the_matrix_has_the_known_marks_then_the_vector() -> None:
    cases = [case(None, "red flag")] * 3 + [case(None, "seldom")]
    known = vocabulary(cases, {})
    assert "word flag" in known
    assert "word seldom" not in known
    rows = matrix(cases, np.ones((4, 2), dtype=np.float32), known, {})
    assert rows.shape == (4, len(known) + 2)
    assert rows[3, known.index("word flag")] == 0
    assert rows[0, known.index("service=MRI")] == 1
