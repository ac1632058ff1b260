import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.sources import Upload
from ingest.sync import sync
from tests.ingest.conftest import OpenCorpus


def test_what_was_committed_and_not_indexed_is_indexed_at_the_next_opening(open_in: OpenCorpus) -> None:
    with open_in() as corpus:
        list(sync(corpus, [Upload("a.md", b"a text")]))
        assert corpus.serving
        document = corpus.library.parsed_document(corpus.serving.id, "a.md")
        assert document
        changed = replace(document, source="b.md")
        pieces = corpus.splitter.split(changed, "other")
        corpus.library.put_document(corpus.serving.id, changed, pieces, corpus.embedder.embed(["x"]))
    with open_in() as corpus:
        assert corpus.serving
        assert corpus.library.outbox.pending(1) == []
        assert not corpus.index.degraded
        assert corpus.index.scrub(corpus.serving.id).clean


def test_jobs_that_were_cut_off_are_failed_at_the_next_opening(open_in: OpenCorpus) -> None:
    with open_in() as corpus:
        job = corpus.library.jobs.start("sync")
    with open_in() as corpus:
        found = corpus.library.jobs.get(job.id)
        assert found and found.state == "failed"


def test_a_collection_of_another_embedder_is_not_understood(open_in: OpenCorpus) -> None:
    with open_in(max_tokens=100) as corpus:
        same_embedder = corpus.library.ensure_collection("documents", corpus.fingerprint)
        other_embedder = corpus.library.ensure_collection("documents", "0123456789ab-0123456789ab")
        assert corpus.understands(same_embedder)
        assert not corpus.understands(other_embedder)
    with open_in(max_tokens=60) as corpus:
        assert corpus.understands(same_embedder), "another splitter changes no vector of a question"
        assert corpus.fingerprint != same_embedder.fingerprint


@pytest.mark.parametrize(("before", "after"), [(0o755, 0o750), (0o700, 0o700), (0o770, 0o770)], ids=oct)
def test_the_folder_is_closed_to_others_whoever_made_it(
    open_in: OpenCorpus, tmp_path: Path, before: int, after: int
) -> None:
    tmp_path.chmod(before)
    with open_in():
        assert stat.S_IMODE(tmp_path.stat().st_mode) == after
