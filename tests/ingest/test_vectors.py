import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import httpx
import numpy as np
import pytest

from ingest.documents import Hit, document_id
from ingest.library import Library
from ingest.records import ScrubReport
from ingest.vectors import ChromaServer, EmbeddedFolder, VectorIndex
from tests.ingest.samples import make_document, make_vectors, put

Place = EmbeddedFolder | ChromaServer
TEXTS = tuple(f"text {number}" for number in range(20))


@pytest.fixture
def collection(sqlite_library: Library) -> str:
    return sqlite_library.ensure_collection("docs", "f").id


@pytest.fixture(params=["embedded", "server"])
def index(request: pytest.FixtureRequest, tmp_path: Path, sqlite_library: Library) -> Iterator[VectorIndex]:
    """The same tests in this process and on a Chroma server."""
    if request.param == "server":
        place: Place = ChromaServer("127.0.0.1", request.getfixturevalue("chroma_server"))
    else:
        place = EmbeddedFolder(tmp_path / "index")
    with closing(VectorIndex(sqlite_library, place, again_seconds=0)) as opened:
        opened.prepare()
        assert not opened.degraded
        yield opened


@pytest.fixture(scope="session")
def chroma_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("chroma")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(Path(sys.executable).with_name("chroma")),
        "run",
        "--path",
        str(folder),
        "--port",
        str(port),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield port
    server.terminate()
    server.wait()


def follow(index: VectorIndex) -> None:
    """What every ingest ends with: from here on searches go through the index."""
    index.apply_outbox()
    index.check()


def near(found: list[Hit], expected: list[Hit]) -> None:
    assert [hit.chunk_id for hit in found] == [hit.chunk_id for hit in expected]
    np.testing.assert_allclose([hit.score for hit in found], [hit.score for hit in expected], atol=1e-5)


def test_it_finds_what_an_exact_search_finds(index: VectorIndex, sqlite_library: Library, collection: str) -> None:
    put(sqlite_library, collection, make_document("a.md", *TEXTS))
    put(sqlite_library, collection, make_document("b.md", *TEXTS), seed=1)
    follow(index)
    assert collection in index._usable
    for query in make_vectors(10, seed=2):
        near(index.search(collection, query, 5), sqlite_library.exact_search(collection, query, 5))
    assert sqlite_library.outbox.pending(1) == []
    assert index.scrub(collection).clean
    assert not index.degraded


def test_a_replaced_document_leaves_no_vector_behind(
    index: VectorIndex, sqlite_library: Library, collection: str
) -> None:
    old = put(sqlite_library, collection, make_document("a.md", *TEXTS))
    follow(index)
    new = put(sqlite_library, collection, make_document("a.md", "other"))
    sqlite_library.remove_document(collection, "unknown.md")
    index.apply_outbox()
    assert [hit.chunk_id for hit in index.search(collection, make_vectors(1)[0], 50)] == new
    assert not set(old) & set(new)


def test_a_change_may_be_applied_twice(index: VectorIndex, sqlite_library: Library, collection: str) -> None:
    put(sqlite_library, collection, make_document("a.md", *TEXTS))
    put(sqlite_library, collection, make_document("a.md", *TEXTS[:5]))
    sqlite_library.remove_document(collection, "a.md")
    changes = sqlite_library.outbox.pending(10)
    put(sqlite_library, collection, make_document("a.md", *TEXTS[:3]))
    follow(index)
    index._apply(collection, changes)
    assert index.scrub(collection).clean
    assert len(index.search(collection, make_vectors(1)[0], 50)) == 3


def test_a_lost_a_stray_and_a_moved_vector_are_noticed_and_mended(
    index: VectorIndex, sqlite_library: Library, collection: str
) -> None:
    ids = put(sqlite_library, collection, make_document("a.md", *TEXTS))
    index.apply_outbox()
    chroma = index._collection(collection)
    chroma.delete(ids=[ids[0]])
    chroma.upsert(ids=["stray"], embeddings=make_vectors(1, seed=7))
    chroma.update(ids=[ids[1]], embeddings=make_vectors(1, seed=8))
    report = index.scrub(collection)
    assert (report.missing, report.surplus, report.unfindable) == ((ids[0],), ("stray",), (ids[1],))
    assert not report.clean
    index.rebuild(collection)
    assert index.scrub(collection).clean


def test_chunks_with_the_same_text_do_not_look_lost(
    index: VectorIndex, sqlite_library: Library, collection: str
) -> None:
    put(sqlite_library, collection, make_document("a.md", "same"))
    put(sqlite_library, collection, make_document("b.md", "same"))
    index.apply_outbox()
    assert index.scrub(collection).clean


def test_a_new_collection_is_searched_and_a_dropped_one_forgotten(
    index: VectorIndex, sqlite_library: Library, collection: str
) -> None:
    put(sqlite_library, collection, make_document("a.md", "one"))
    follow(index)
    other = sqlite_library.ensure_collection("docs", "g").id
    assert index.search(other, make_vectors(1)[0], 5) == []
    (chunk,) = put(sqlite_library, other, make_document("a.md", "one"))
    follow(index)
    sqlite_library.drop_collection(collection)
    index.prepare()
    assert [hit.chunk_id for hit in index.search(other, make_vectors(1)[0], 5)] == [chunk]
    assert index.search(collection, make_vectors(1)[0], 5) == []
    assert not index.degraded


def test_a_collection_that_the_index_refuses_keeps_no_other_waiting(
    index: VectorIndex, sqlite_library: Library, collection: str
) -> None:
    refused = sqlite_library.ensure_collection("my docs", "f").id
    lost = put(sqlite_library, refused, make_document("a.md", *TEXTS))
    put(sqlite_library, collection, make_document("a.md", *TEXTS))
    query = make_vectors(1)[0]
    for start in (index.apply_outbox, index.prepare):
        start()
        assert sqlite_library.outbox.collections() == [refused]
        assert index.scrub(collection).clean
        assert not index.degraded
        assert index.search(refused, query, 1)[0].chunk_id == lost[0]
    sqlite_library.drop_collection(refused)
    assert sqlite_library.outbox.pending(1) == []


def test_searches_run_while_documents_change(index: VectorIndex, sqlite_library: Library, collection: str) -> None:
    stop = threading.Event()
    ids = put(sqlite_library, collection, make_document("fixed.md", *TEXTS), seed=3)
    follow(index)
    fixed = dict(zip(ids, make_vectors(20, seed=3), strict=True))

    def write() -> None:
        for number in range(30):
            put(
                sqlite_library,
                collection,
                make_document(f"{number % 3}.md", f"text {number}"),
                seed=100 + number,
            )
            index.apply_outbox()
        stop.set()

    def read() -> list[str]:
        wrong = []
        while not stop.is_set():
            wrong += [id for id, vector in fixed.items() if index.search(collection, vector, 1)[0].chunk_id != id]
        return wrong

    with ThreadPoolExecutor(3) as pool:
        writing, *reading = pool.submit(write), pool.submit(read), pool.submit(read)
        writing.result()
        assert [one.result() for one in reading] == [[], []]
    assert index.scrub(collection).clean


def test_without_changes_the_index_is_not_even_opened(tmp_path: Path, sqlite_library: Library) -> None:
    with closing(VectorIndex.open_embedded(tmp_path / "index", sqlite_library)) as index:
        index.apply_outbox()
        assert not (tmp_path / "index").exists()
        assert index.degraded


def test_until_it_is_prepared_searches_are_exact(tmp_path: Path, sqlite_library: Library, collection: str) -> None:
    put(sqlite_library, collection, make_document("a.md", *TEXTS))
    query = make_vectors(1, seed=4)[0]
    with closing(VectorIndex.open_embedded(tmp_path / "index", sqlite_library)) as index:
        near(index.search(collection, query, 5), sqlite_library.exact_search(collection, query, 5))


def fill(library: Library, collection: str, folder: Path) -> list[str]:
    """An index large enough that Chroma writes its graph to disk; the folder of the graph's files."""
    texts = [f"text {number}" for number in range(1500)]
    ids = put(library, collection, make_document("a.md", *texts))
    with closing(VectorIndex.open_embedded(folder, library)) as index:
        index.prepare()
    return ids


@pytest.mark.parametrize(
    "name", ["header.bin", "data_level0.bin", "link_lists.bin", "index_metadata.pickle", "chroma.sqlite3"]
)
def test_a_torn_index_is_rebuilt_from_the_library(
    tmp_path: Path, sqlite_library: Library, collection: str, name: str
) -> None:
    folder = tmp_path / "index"
    ids = fill(sqlite_library, collection, folder)
    (torn,) = folder.rglob(name)
    torn.write_bytes(os.urandom(torn.stat().st_size // 2 + 1))
    with closing(VectorIndex.open_embedded(folder, sqlite_library)) as index:
        index.prepare()
        assert not index.degraded
        assert index.scrub(collection).clean
        assert index.search(collection, make_vectors(1500)[7], 1)[0].chunk_id == ids[7]


def test_an_index_that_went_missing_is_rebuilt(tmp_path: Path, sqlite_library: Library, collection: str) -> None:
    put(sqlite_library, collection, make_document("a.md", *TEXTS))
    with closing(VectorIndex.open_embedded(tmp_path / "index", sqlite_library)) as index:
        index.apply_outbox()
    with closing(VectorIndex.open_embedded(tmp_path / "elsewhere", sqlite_library)) as index:
        index.prepare()
        assert index.scrub(collection).clean


def lose(index: VectorIndex, collection: str, chunk: str) -> None:
    """The chunk is still in the index, and its own vector does not find it."""
    index._collection(collection).update(ids=[chunk], embeddings=make_vectors(1, seed=8))
    assert index.scrub(collection) == ScrubReport(collection, (), (), (chunk,))


def test_every_start_looks_every_vector_up(tmp_path: Path, sqlite_library: Library, collection: str) -> None:
    ids = put(sqlite_library, collection, make_document("a.md", *TEXTS))
    with closing(VectorIndex.open_embedded(tmp_path / "index", sqlite_library)) as index:
        index.prepare()
        lose(index, collection, ids[0])
    with closing(VectorIndex.open_embedded(tmp_path / "index", sqlite_library)) as index:
        index.prepare()
        assert index.scrub(collection).clean
        assert index.search(collection, make_vectors(20)[0], 1)[0].chunk_id == ids[0]


def test_a_check_after_changes_finds_what_they_lost(
    index: VectorIndex, sqlite_library: Library, collection: str
) -> None:
    ids = put(sqlite_library, collection, make_document("a.md", *TEXTS))
    index.apply_outbox()
    lose(index, collection, ids[0])
    index.check()
    assert index.scrub(collection).clean
    assert index.search(collection, make_vectors(20)[0], 1)[0].chunk_id == ids[0]


def test_without_changes_there_is_nothing_to_check(
    index: VectorIndex, sqlite_library: Library, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(sqlite_library, collection, make_document("a.md", *TEXTS))
    gone = sqlite_library.ensure_collection("gone", "f").id
    put(sqlite_library, gone, make_document("a.md", *TEXTS))
    index.apply_outbox()
    sqlite_library.drop_collection(gone)
    checked: list[str] = []
    monkeypatch.setattr(index, "_make_whole", checked.append)
    index.check()
    index.check()
    assert checked == [collection]


def test_a_collection_that_no_rebuild_makes_whole_is_searched_exactly(
    index: VectorIndex, sqlite_library: Library, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = put(sqlite_library, collection, make_document("a.md", *TEXTS))
    rebuild = index.rebuild

    def in_vain(name: str) -> None:
        rebuild(name)
        lose(index, name, ids[0])

    monkeypatch.setattr(index, "rebuild", in_vain)
    index.apply_outbox()
    lose(index, collection, ids[0])
    index.check()
    assert not index.degraded
    query = make_vectors(20)[0]
    assert index.search(collection, query, 5) == sqlite_library.exact_search(collection, query, 5)
    monkeypatch.undo()
    put(sqlite_library, collection, make_document("b.md", "one"), seed=1)
    index.apply_outbox()
    assert index.search(collection, query, 1)[0].chunk_id == ids[0]
    index.check()
    assert index.scrub(collection).clean


def test_a_server_that_is_away_costs_speed_and_no_answer(
    sqlite_library: Library, collection: str, caplog: pytest.LogCaptureFixture
) -> None:
    (chunk,) = put(sqlite_library, collection, make_document("a.md", "one"))
    with (
        socket.socket() as silent,
        closing(VectorIndex.open_server("127.0.0.1", unused_port(silent), sqlite_library)) as index,
        caplog.at_level(logging.WARNING),
    ):
        index.apply_outbox()
        assert index.degraded
        assert index.search(collection, make_vectors(1)[0], 3)[0].chunk_id == chunk
    assert "ConnectError" in caplog.text
    assert len(sqlite_library.outbox.pending(5)) == 1


def unused_port(bound: socket.socket) -> int:
    """A port on which nobody listens, and nobody can as long as the socket is open."""
    bound.bind(("127.0.0.1", 0))
    port: int = bound.getsockname()[1]
    return port


def test_an_index_that_comes_back_catches_up(index: VectorIndex, sqlite_library: Library, collection: str) -> None:
    index.degraded = True
    put(sqlite_library, collection, make_document("a.md", "one"))
    index.apply_outbox()
    assert not index.degraded
    assert sqlite_library.vectors.of_documents([document_id(collection, "a.md")])[0]
    assert index.scrub(collection).clean


def test_a_server_that_comes_back_is_searched_again_without_any_change(
    chroma_server: int, sqlite_library: Library, collection: str
) -> None:
    (chunk,) = put(sqlite_library, collection, make_document("a.md", "one"))
    with (
        socket.socket() as silent,
        closing(VectorIndex(sqlite_library, ChromaServer("127.0.0.1", unused_port(silent)), 0)) as index,
    ):
        index.prepare()
        assert index.degraded
        index.place = ChromaServer("127.0.0.1", chroma_server)
        search_until_whole(index, collection)
        assert index.search(collection, make_vectors(1)[0], 1)[0].chunk_id == chunk
        assert index.scrub(collection).clean


def search_until_whole(index: VectorIndex, collection: str) -> None:
    """The test's own time limit ends a wait in vain."""
    while True:
        index.search(collection, make_vectors(1)[0], 1)
        if not index.degraded:
            return
        time.sleep(0.01)


def test_an_index_that_lost_everything_is_rebuilt_in_the_background_and_never_searched_by_halves(
    index: VectorIndex, sqlite_library: Library, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [collection, sqlite_library.ensure_collection("other", "f").id]
    for name in both:
        put(sqlite_library, name, make_document("a.md", *TEXTS))
    follow(index)
    for name in both:
        index._connected().delete_collection(name)
        put(sqlite_library, name, make_document("b.md", "one"), seed=1)
    query = make_vectors(1, seed=4)[0]
    rebuild, rebuilt, wrong = index.rebuild, [], []

    def watched(name: str) -> None:
        for one in both:
            if index.search(one, query, 5) != sqlite_library.exact_search(one, query, 5):
                wrong.append(one)
        rebuild(name)
        rebuilt.append(name)

    monkeypatch.setattr(index, "rebuild", watched)
    assert index.search(collection, query, 5) == sqlite_library.exact_search(collection, query, 5)
    search_until_whole(index, collection)
    assert (sorted(rebuilt), wrong) == (sorted(both), [])
    assert all(index.scrub(name).clean for name in both)
    assert sqlite_library.outbox.pending(1) == []


def test_a_search_that_fails_while_the_index_is_prepared_leaves_it_degraded(
    index: VectorIndex, sqlite_library: Library, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(sqlite_library, collection, make_document("a.md", *TEXTS))
    scrub = index.scrub

    def failing(name: str) -> ScrubReport:
        report = scrub(name)
        with index.degrading():
            raise httpx.ReadTimeout("a search that began before the outage")
        return report

    monkeypatch.setattr(index, "scrub", failing)
    index.prepare()
    assert index.degraded
    monkeypatch.undo()
    search_until_whole(index, collection)


def test_an_error_of_the_library_while_the_index_is_prepared_leaves_a_next_time(
    index: VectorIndex, sqlite_library: Library, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(sqlite_library, collection, make_document("a.md", *TEXTS))
    with monkeypatch.context() as patched, pytest.raises(OSError):
        patched.setattr(sqlite_library, "collections", Mock(side_effect=OSError))
        index.prepare()
    assert index.degraded
    search_until_whole(index, collection)


def test_a_rebuild_ends_early_where_the_index_is_to_close(
    tmp_path: Path, sqlite_library: Library, collection: str
) -> None:
    put(sqlite_library, collection, make_document("a.md", *TEXTS))
    index = VectorIndex.open_embedded(tmp_path / "index", sqlite_library)
    with closing(index):
        index._retry.close()
        index.rebuild(collection)
        assert len(index.scrub(collection).missing) == len(TEXTS)
    with closing(VectorIndex.open_embedded(tmp_path / "index", sqlite_library)) as index:
        index.prepare()
        assert index.scrub(collection).clean


def test_a_collection_that_another_service_made_anew_is_found_again(
    chroma_server: int, sqlite_library: Library, collection: str
) -> None:
    put(sqlite_library, collection, make_document("a.md", *TEXTS))
    query = make_vectors(1, seed=4)[0]
    with (
        closing(VectorIndex.open_server("127.0.0.1", chroma_server, sqlite_library)) as one,
        closing(VectorIndex.open_server("127.0.0.1", chroma_server, sqlite_library)) as other,
    ):
        one.prepare()
        other.prepare()
        other.rebuild(collection)
        near(one.search(collection, query, 5), sqlite_library.exact_search(collection, query, 5))
        assert one.degraded
        put(sqlite_library, collection, make_document("b.md", *TEXTS), seed=1)
        one.apply_outbox()
        assert not one.degraded
        assert sqlite_library.outbox.pending(1) == []
        assert one.scrub(collection).clean
        near(one.search(collection, query, 5), sqlite_library.exact_search(collection, query, 5))
