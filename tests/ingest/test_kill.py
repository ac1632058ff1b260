"""Nothing that was acknowledged is lost when an ingest is killed, and the ingest can be repeated."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingest.corpus import Corpus
from ingest.report import SyncReport
from ingest.sources import discover
from ingest.sync import sync
from tests.conftest import EMBEDDER
from tests.ingest.conftest import OpenCorpus

ROOT = Path(__file__).parents[2]
CHILD = """
import sys
from pathlib import Path
from ingest.corpus import open_corpus
from ingest.embed import Embedder
from ingest.models import locate
from ingest.report import Progress
from ingest.sources import discover
from ingest.split import Splitter
from ingest.sync import sync

data, docs, model = sys.argv[1:]
embedder = Embedder(locate(model, None))
splitter = Splitter(embedder.count_tokens, 200)
opened = dict(name="documents", folder=Path(data), library_url=None, chroma_server=None)
with open_corpus(**opened, embedder=embedder, splitter=splitter) as corpus:
    print("ready", flush=True)
    for event in sync(corpus, discover([Path(docs)]).files):
        if isinstance(event, Progress):
            print(event.source, flush=True)
"""


def ingest_and_kill(data: Path, docs: Path, after: int, pause: float) -> list[str]:
    """The sources that the child had acknowledged when it was killed."""
    command = [sys.executable, "-c", CHILD, str(data), str(docs), EMBEDDER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        seen = [line.strip() for line, _ in zip(child.stdout, range(after), strict=False)]
        time.sleep(pause)
        child.send_signal(signal.SIGKILL)
        seen += [line.strip() for line in child.stdout if line.endswith("\n")]
    return [source for source in seen if source != "ready"]


def check(corpus: Corpus, docs: Path, acknowledged: list[str]) -> None:
    assert corpus.serving
    assert set(acknowledged) <= corpus.library.document_hashes(corpus.serving.id).keys()
    assert not corpus.index.degraded
    assert corpus.index.scrub(corpus.serving.id).clean
    for source in corpus.library.document_hashes(corpus.serving.id):
        found = corpus.library.document(corpus.serving.id, source)
        assert found and len(found[1]) == 3, "a document is there whole or not at all"
        assert all((docs / source).read_text().startswith(f"# {chunk.title}") for chunk in found[1])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_ingests_lose_nothing(open_in: OpenCorpus, tmp_path: Path) -> None:
    chance = random.Random(7)
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(400):
        parts = "\n\n".join(f"## Part {part}\n\nText {number} of part {part}." for part in range(3))
        (docs / f"{number:03}.md").write_text(f"# Page {number}\n\n{parts}")
    for _ in range(4):
        acknowledged = ingest_and_kill(tmp_path, docs, chance.randint(1, 150), chance.uniform(0, 0.2))
        with open_in() as corpus:
            check(corpus, docs, acknowledged)
            for file in chance.sample(sorted(docs.iterdir()), 30):
                file.write_text(file.read_text() + " More.")
    with open_in() as corpus:
        *_, report = sync(corpus, discover([docs]).files)
        assert isinstance(report, SyncReport)
        assert len(corpus.library.document_hashes(report.collection_id)) == 400
        check(corpus, docs, [])
