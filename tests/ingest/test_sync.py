import filecmp
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from ingest.corpus import Corpus
from ingest.documents import PUBLIC, document_id
from ingest.local import remove_document
from ingest.outbox import Change
from ingest.report import Progress, SyncReport
from ingest.sources import Upload, discover
from ingest.sync import left_alone, sync
from tests.ingest.conftest import OpenCorpus


def write(folder: Path, **texts: str) -> Path:
    """Markdown files by name; a text of "" removes the file."""
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        file = folder / f"{name}.md"
        file.write_text(text) if text else file.unlink()
    return folder


def run(corpus: Corpus, *paths: Path, prune: bool = False, labels: Iterable[str] | None = None) -> SyncReport:
    found = discover(paths)
    asked = frozenset(labels) if labels else None
    *progress, report = sync(
        corpus, found.files, present=found.present, prune=prune, labels=asked, skipped=found.skipped
    )
    assert all(isinstance(event, Progress) for event in progress)
    assert isinstance(report, SyncReport)
    return report


def sources(corpus: Corpus) -> set[str]:
    assert corpus.serving
    return set(corpus.library.document_hashes(corpus.serving.id))


def found(corpus: Corpus, question: str, *readers: str) -> list[str]:
    """Texts of the passages that both searches find, the index's first."""
    collection = corpus.serving
    assert collection
    vector = corpus.embedder.embed_queries([question])[0]
    ids = [hit.chunk_id for hit in corpus.index.search(collection.id, vector, 3)]
    ids += [hit.chunk_id for hit in corpus.library.keyword_search(collection.id, question, 3, readers or {PUBLIC})]
    passages = corpus.library.passages(collection.id, ids, readers or {PUBLIC})
    return [passages[id].text for id in ids if id in passages]


def test_a_sentence_that_stays_keeps_its_vector(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(
        tmp_path / "docs", a="# A\n\nDentists see you on Mondays. Park at the south gate. The kiosk sells tea."
    )
    with open_in() as corpus:
        assert run(corpus, docs).embedded == 1
    with open_in(sentences=True) as corpus:
        report = run(corpus, docs)
        assert (report.reembedded, report.embedded) == (1, 3), "the whole has its vector already"
        write(docs, a="# A\n\nDentists see you on Mondays. Park at the north gate. The kiosk sells tea.")
        assert run(corpus, docs).embedded == 2, "the whole and one sentence are new"
        assert run(corpus, docs).embedded == 0


def test_files_become_passages(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(
        tmp_path / "docs",
        dental="# Dental care\n\nDentists see you on Mondays.",
        parking="# Parking\n\nPark at the gate.",
    )
    (docs / "logo.png").write_bytes(b"png")
    with open_in() as corpus:
        report = run(corpus, docs)
        assert report.added == ("dental.md", "parking.md")
        assert (report.skipped, report.failed, report.embedded) == (("logo.png",), (), 2)
        assert found(corpus, "When can I see a dentist?")[0] == "Dentists see you on Mondays."
        assert not corpus.index.degraded
        assert corpus.index.scrub(report.collection_id).clean


def test_only_what_changed_is_touched(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(
        tmp_path / "docs",
        a="# A\n\n## One\n\nsame text\n\n## Two\n\nold text",
        b="# B\n\nb text",
        c="# C\n\nc text",
    )
    with open_in() as corpus:
        run(corpus, docs)
        before = {one.source: one for one in corpus.library.documents(corpus.serving.id)} if corpus.serving else {}
        write(docs, a="# A\n\n## One\n\nsame text\n\n## Two\n\nnew text", c="", d="# D\n\nd text")
        report = run(corpus, docs)
        assert (report.added, report.changed, report.removed, report.unchanged) == (
            ("d.md",),
            ("a.md",),
            (),
            1,
        )
        assert report.embedded == 2, "the section that stayed keeps its vector"
        assert sources(corpus) == {"a.md", "b.md", "c.md", "d.md"}
        assert "new text" in found(corpus, "new text")
        assert "old text" not in found(corpus, "old text")
        after = {one.source: one for one in corpus.library.documents(report.collection_id)}
        assert after["b.md"] == before["b.md"]
        assert corpus.index.scrub(report.collection_id).clean


def test_a_sync_ends_with_every_vector_found(
    open_in: OpenCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = write(tmp_path / "docs", a="a text")
    with open_in() as corpus:
        before = run(corpus, docs).collection_id
        (neighbour,), (vector,) = corpus.library.vectors.of_documents([document_id(before, "a.md")])
        apply = corpus.index._apply

        def lose_a_neighbour(collection_id: str, changes: Sequence[Change]) -> None:
            """By hand what Chroma's graph does now and then: the chunk is there, its vector does not find it."""
            apply(collection_id, changes)
            corpus.index._collection(collection_id).update(ids=[neighbour], embeddings=-vector[None, :])
            assert corpus.index.scrub(collection_id).unfindable == (neighbour,)

        monkeypatch.setattr(corpus.index, "_apply", lose_a_neighbour)
        assert run(corpus, write(docs, b="b text")).added == ("b.md",)
        assert corpus.index.scrub(before).clean


def test_a_second_sync_does_nothing(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="# A\n\na text", b="b text")
    with open_in() as corpus:
        run(corpus, docs)
        report = run(corpus, docs, prune=True)
        assert (report.unchanged, report.embedded, report.added, report.removed) == (2, 0, (), ())


def test_prune_removes_what_is_gone_and_nothing_else(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="a text", b="b text", c="c text")
    with open_in() as corpus:
        run(corpus, docs)
        assert run(corpus, docs / "a.md", prune=True).removed == (), "a single file says nothing of others"
        write(docs, b="")
        assert run(corpus, docs, prune=True).removed == ("b.md",)
        assert sources(corpus) == {"a.md", "c.md"}
        assert "b text" not in found(corpus, "b text")


def test_a_failing_file_keeps_its_last_good_version_and_its_reason(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="good text", b="b text")
    with open_in() as corpus:
        run(corpus, docs)
        (docs / "a.md").write_bytes(b"\xff broken")
        (docs / "new.pdf").write_bytes(b"no pdf")
        write(docs, b="new b text")
        for _ in range(2):
            report = run(corpus, docs, prune=True)
            assert {failure.source for failure in report.failed} == {"a.md", "new.pdf"}
            assert {failure.source for failure in corpus.library.failures("documents")} == {"a.md", "new.pdf"}
        assert "UTF-8" in next(one.reason for one in corpus.library.failures("documents") if one.source == "a.md")
        assert "good text" in found(corpus, "good text")
        assert "new b text" in found(corpus, "new b text")
        (docs / "new.pdf").unlink()
        write(docs, a="good text")
        run(corpus, docs)
        assert corpus.library.failures("documents") == []


def test_a_file_that_cannot_be_read_fails_alone(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="a text", b="b text")
    with open_in() as corpus:
        files = discover([docs]).files
        write(docs, a="")
        *_, report = sync(corpus, files)
        assert isinstance(report, SyncReport)
        assert report.added == ("b.md",)
        assert "No such file" in report.failed[0].reason


def test_labels_decide_who_finds_a_document(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="alpha text", b="---\nlabels: [staff]\n---\nbeta text")
    with open_in() as corpus:
        run(corpus, docs)
        assert found(corpus, "beta text") == found(corpus, "alpha text") == ["alpha text", "alpha text"]
        assert "beta text" in found(corpus, "beta text", "staff")
        report = run(corpus, docs, labels=["nurses"])
        assert (report.relabelled, report.unchanged, report.embedded) == (("a.md", "b.md"), 2, 0)
        assert found(corpus, "alpha text") == []
        assert "alpha text" in found(corpus, "alpha text", "nurses")
        write(docs, a="alpha text, changed")
        assert run(corpus, docs).changed == ("a.md",)
        assert found(corpus, "alpha text") == [], "a changed file keeps its labels"


def test_uploads_take_the_same_path(open_in: OpenCorpus) -> None:
    with open_in() as corpus:
        list(sync(corpus, [Upload("x/a.md", b"a text"), Upload("b.md", b"b text")]))
        *_, report = sync(corpus, [Upload("b.md", b"new text")], present=["b.md"], prune=True)
        assert isinstance(report, SyncReport)
        assert (report.changed, report.removed) == (("b.md",), ("x/a.md",))
        assert sources(corpus) == {"b.md"}


def test_what_is_present_but_not_sent_is_unchanged(open_in: OpenCorpus) -> None:
    with open_in() as corpus:
        list(sync(corpus, [Upload("a.md", b"a text"), Upload("b.md", b"b text")]))
        *_, report = sync(
            corpus, [Upload("c.md", b"c text")], present=["a.md", "b.md"], labels=frozenset({"staff"})
        )
        assert isinstance(report, SyncReport)
        assert (report.added, report.unchanged, report.relabelled) == (("c.md",), 2, ("a.md", "b.md"))


def test_progress_counts_every_file_after_its_commit(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="a text", b="b text", c="c text")
    (docs / "d.pdf").write_bytes(b"no pdf")
    with open_in() as corpus:
        seen = []
        for event in sync(corpus, discover([docs]).files):
            if isinstance(event, Progress):
                seen.append(event)
                assert event.source == "d.pdf" or event.source in sources(corpus)
        assert sorted(event.source for event in seen) == ["a.md", "b.md", "c.md", "d.pdf"]
        assert [event.done for event in seen] == [1, 2, 3, 4]
        assert {event.total for event in seen} == {4}


def test_another_splitter_makes_a_new_collection_with_all_documents(open_in: OpenCorpus, tmp_path: Path) -> None:
    long = " ".join(f"Sentence {number} of the text." for number in range(60))
    docs = write(tmp_path / "docs", a=f"# A\n\n{long}", b="b text")
    with open_in(max_tokens=200) as corpus:
        old = run(corpus, docs).collection_id
        list(sync(corpus, [Upload("uploaded.md", b"uploaded text")], labels=frozenset({"staff"})))
    (docs / "b.md").write_bytes(b"\xff broken")
    with open_in(max_tokens=60) as corpus:
        assert corpus.serving and corpus.serving.id == old, "the old one serves until the new one is complete"
        for event in sync(corpus, discover([docs]).files):
            assert isinstance(event, SyncReport) or corpus.serving.id == old
        assert isinstance(event, SyncReport)
        assert corpus.serving.id == event.collection_id != old
        assert sources(corpus) == {"a.md", "b.md", "uploaded.md"}
        assert (event.added, event.changed, event.reembedded) == ((), (), 3)
        assert len(corpus.library.vectors.ids(event.collection_id)) > len(corpus.library.vectors.ids(old))
        assert "uploaded text" in found(corpus, "uploaded text", "staff")
        assert "uploaded text" not in found(corpus, "uploaded text")
        assert corpus.index.scrub(event.collection_id).clean


def test_a_pruned_file_leaves_a_superseded_collection_too(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="alpha text", b="beta text")
    with open_in(max_tokens=200) as corpus:
        run(corpus, docs)
    write(docs, b="")
    with open_in(max_tokens=60) as corpus:
        report = run(corpus, docs, prune=True)
        assert report.removed == ("b.md",)
        for collection in corpus.library.collections("documents"):
            assert set(corpus.library.document_hashes(collection.id)) == {"a.md"}
    assert not [file for file in tmp_path.glob("library.db*") if b"beta text" in file.read_bytes()]


def test_an_older_superseded_collection_is_dropped_at_the_next_sync(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="alpha text")
    for tokens in (200, 100, 60):
        with open_in(max_tokens=tokens) as corpus:
            run(corpus, docs)
            ids = {collection.id for collection in corpus.library.collections("documents")}
            assert len(ids) <= 2
    with open_in(max_tokens=60) as corpus:
        run(corpus, docs)
        assert len(corpus.library.collections("documents")) == 1


def test_settings_set_back_keep_what_came_meanwhile(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="open till five", b="beta text", c="gamma text")
    with open_in(max_tokens=200) as corpus:
        run(corpus, docs)
    write(docs, a="open till eight", c="")
    with open_in(max_tokens=60) as corpus:
        run(corpus, docs, prune=True, labels=["staff"])
    with open_in(max_tokens=200) as corpus:
        assert left_alone(corpus).keys() == {"b.md"}
        (report,) = (event for event in sync(corpus, []) if isinstance(event, SyncReport))
        assert corpus.serving and corpus.serving.id == report.collection_id
        assert found(corpus, "when is it open", "staff")[0] == "open till eight"
        labels = corpus.library.document_labels(report.collection_id)
        assert labels == {"a.md": {"staff"}, "b.md": {"staff"}}


def test_a_file_set_back_with_the_settings_is_read_again(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="open till five")
    with open_in(max_tokens=200) as corpus:
        run(corpus, docs)
    with open_in(max_tokens=60) as corpus:
        run(corpus, write(docs, a="open till eight"))
    with open_in(max_tokens=200) as corpus:
        assert run(corpus, write(docs, a="open till five")).changed == ("a.md",)
        assert found(corpus, "when is it open")[0] == "open till five"


def test_what_is_removed_during_a_rebuild_does_not_come_back(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="alpha text", b="beta text")
    with open_in(max_tokens=200) as corpus:
        run(corpus, docs)
    with open_in(max_tokens=60) as corpus:
        events = sync(corpus, [])
        next(events)  # The first is put; both were read.
        for source in ("a.md", "b.md"):
            assert remove_document(corpus, source)
        list(events)
        assert sources(corpus) == set()


def test_two_collections_stand_side_by_side(open_in: OpenCorpus, tmp_path: Path) -> None:
    docs = write(tmp_path / "docs", a="alpha text")
    with open_in() as corpus:
        run(corpus, docs)
        other = corpus.named("other")
        list(sync(other, [Upload("z.md", b"zeta text")]))
        assert sources(corpus) == {"a.md"}
        assert sources(other) == {"z.md"}
        run(corpus, docs, prune=True)
        assert sources(other) == {"z.md"}


@pytest.mark.slow
def test_two_versions_of_a_site_differ_as_their_folders_do(open_in: OpenCorpus, va_pages: Path) -> None:
    old, new = va_pages / "2018-11/docs/health-care", va_pages / "2019-02/docs/health-care"
    names = [{file.relative_to(folder).as_posix() for file in folder.rglob("*.md")} for folder in (old, new)]
    same = {name for name in names[0] & names[1] if filecmp.cmp(old / name, new / name, shallow=False)}
    with open_in() as corpus:
        run(corpus, old)
        report = run(corpus, new, prune=True)
        assert set(report.added) == names[1] - names[0]
        assert set(report.removed) == names[0] - names[1]
        assert set(report.changed) == (names[0] & names[1]) - same
        assert report.unchanged == len(same)
        assert sources(corpus) == names[1]
        assert corpus.index.scrub(report.collection_id).clean
