from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.examples import ExampleError, Pool
from adapters.pool import read_pool, seen_of, split_pool
from adapters.recipe import Data
from ingest.documents import Passage, content_hash
from ingest.embed import Embedder
from ingest.parse import Parser
from ingest.split import Splitter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "more.md").mkdir()
    (tmp_path / "visiting.md").write_text(
        "# Visiting\n\n## Hours\n\nFrom ten to eight.\n\n## Children\n\nAlways.\n"
    )
    (tmp_path / "more.md" / "parking.txt").write_text("Parking costs two dollars an hour.")
    (tmp_path / "notes.log").write_text("No document.")
    return tmp_path


def test_every_document_below_the_folder_becomes_passages(folder: Path, embedder: Embedder) -> None:
    with closing(Parser()) as parser:
        pool = read_pool(folder, parser, Splitter(embedder.count_tokens, 200), embedder)
    assert [one.source for one in pool.passages] == ["more.md/parking.txt", "visiting.md", "visiting.md"]
    assert [one.headings for one in pool.passages][1:] == [("Hours",), ("Children",)]
    assert pool.vectors.shape == (3, 384)
    assert np.allclose(np.linalg.norm(pool.vectors, axis=1), 1, atol=1e-3)
    (question,) = embedder.embed_queries(["What does the car park cost?"])
    assert pool.ranked(question)[0].source == "more.md/parking.txt"


def test_what_ingest_passes_over_and_what_not_everybody_may_read_is_not_learnt(
    folder: Path, embedder: Embedder
) -> None:
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "parking-old.md").write_text("Parking costs one dollar an hour.")
    (folder / "._parking.md").write_bytes(b"\x00\xff")
    for name, label in (("staff.md", "staff"), ("both.md", "public, staff")):
        (folder / name).write_text(f"---\nlabels: [{label}]\n---\nThe gate code is 482915.\n")
    with closing(Parser()) as parser:
        pool = read_pool(folder, parser, Splitter(embedder.count_tokens, 200), embedder)
    assert pool.sources == {"more.md/parking.txt", "visiting.md", "both.md"}
    assert pool.restricted == {"staff.md"}


def test_what_the_library_closes_is_not_learnt_either_under_its_name_or_another(
    folder: Path, embedder: Embedder
) -> None:
    (folder / "copy.txt").write_bytes((folder / "more.md" / "parking.txt").read_bytes())
    closed = {"visiting.md", content_hash((folder / "copy.txt").read_bytes())}
    (folder / "open.md").write_text("# Open\n\nTo everybody.\n")
    pool = split_pool(folder, embedder, 200, 0, closed)
    assert pool.sources == {"open.md"}
    assert pool.restricted == {"visiting.md", "copy.txt", "more.md/parking.txt"}


def test_a_document_that_cannot_be_read_is_left_out_and_named(folder: Path, embedder: Embedder) -> None:
    (folder / "broken.docx").write_bytes(b"no docx")
    with closing(Parser()) as parser:
        pool = read_pool(folder, parser, Splitter(embedder.count_tokens, 200), embedder)
    assert pool.sources == {"more.md/parking.txt", "visiting.md"}
    ((source, reason),) = pool.unreadable
    assert source == "broken.docx" and "cannot be read" in reason
    with pytest.raises(ExampleError, match=r"not in docs: broken\.docx\. The document .* cannot be read"):
        seen_of(data(validation=("broken.docx",), held_back=()), pool)


def test_where_no_document_can_be_read_the_reason_is_told(tmp_path: Path, embedder: Embedder) -> None:
    (tmp_path / "broken.docx").write_bytes(b"no docx")
    with closing(Parser()) as parser, pytest.raises(ExampleError, match=r"broken\.docx cannot be read"):
        read_pool(tmp_path, parser, Splitter(embedder.count_tokens, 200), embedder)


def test_a_folder_without_documents_is_an_error(tmp_path: Path, embedder: Embedder) -> None:
    with closing(Parser()) as parser, pytest.raises(ExampleError, match="no documents for everybody"):
        read_pool(tmp_path, parser, Splitter(embedder.count_tokens, 200), embedder)


def pool_of(*sources: str) -> Pool:
    passages = tuple(Passage(s, s, s, s, (), 0, s) for s in sources)
    return Pool(passages, np.eye(len(sources), dtype=np.float32))


def data(**changes: Any) -> Data:
    names = {"validation": ("a.md",), "held_back": ("b.md",)} | changes
    return Data(examples=(Path("x"),), documents=Path("docs"), **names)


def test_held_back_documents_are_not_even_distractors() -> None:
    seen = seen_of(data(), pool_of("a.md", "b.md", "c.md"))
    assert [passage.source for passage in seen.passages] == ["a.md", "c.md"]


def test_a_document_that_not_everybody_may_read_can_be_held_back() -> None:
    pool = replace(pool_of("a.md", "b.md"), restricted=frozenset({"staff.md"}))
    assert seen_of(data(held_back=("staff.md",)), pool).sources == {"a.md", "b.md"}


@pytest.mark.parametrize("part", ["validation", "held_back"])
def test_a_misspelt_document_is_an_error_because_it_would_be_trained_on(part: str) -> None:
    with pytest.raises(ExampleError, match=r"not in docs: c\.md"):
        seen_of(data(**{part: ("c.md",)}), pool_of("a.md", "b.md"))
