import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.documents import Chunk
from ingest.library_rows import chunk_values, label_values


@given(st.lists(st.integers(0, 3), max_size=5))
def test_every_chunk_gets_the_vectors_of_its_own_texts(sentences: list[int]) -> None:
    pieces = [
        Chunk(f"c{number}", number, "Title", (), "Text.", tuple(f"Sentence {at}." for at in range(count)))
        for number, count in enumerate(sentences)
    ]
    owners = [number for number, count in enumerate(sentences) for _ in range(1 + count)]
    vectors = np.array(owners, dtype=np.float32).reshape(-1, 1)
    for number, row in enumerate(chunk_values("d", pieces, vectors)):
        stored = np.frombuffer(row["vector"] + row["sentence_vectors"], dtype=np.float32)
        assert stored.tolist() == [number] * (1 + sentences[number])


def test_a_document_that_nobody_may_read_is_refused() -> None:
    assert label_values("d", {"staff", "public"}) == [
        {"document_id": "d", "label": "public"},
        {"document_id": "d", "label": "staff"},
    ]
    with pytest.raises(ValueError, match="at least one label"):
        label_values("d", ())
