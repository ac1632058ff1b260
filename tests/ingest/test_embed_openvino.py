import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.corpus import open_corpus
from ingest.embed import Embedder
from ingest.embed_openvino import ALIKE, SETTINGS, keep_network
from ingest.local import LocalIngest
from ingest.models import ModelError
from ingest.report import SyncReport
from ingest.sources import discover
from ingest.split import Splitter

SEARCH_ADAPTER = Path(__file__).parents[2] / "configs" / "hospital" / "search" / "1"
TEXTS = [
    "Where can I park at night?",
    "  my son (6) has a fever of 39 °C  ",
    "x",
    "long " * 400,
    "日本語で話せますか",
    "",
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def quick(model_folder: Path, kept: Path) -> Embedder:
    """Its network is kept and open."""
    embedder = Embedder(model_folder, kept=kept)
    assert embedder.load_questions() is not None
    return embedder


def test_questions_get_the_vectors_that_sentence_transformers_gives(quick: Embedder, embedder: Embedder) -> None:
    np.testing.assert_allclose(quick.embed_queries(TEXTS), embedder.embed_queries(TEXTS), atol=1e-5)
    np.testing.assert_allclose(quick.embed(TEXTS), embedder.embed(TEXTS), atol=1e-6)


@given(st.text(max_size=600))
@settings(max_examples=25)
def test_whatever_is_asked_it_is_the_same_vector(quick: Embedder, embedder: Embedder, text: str) -> None:
    np.testing.assert_allclose(quick.embed_queries([text]), embedder.embed_queries([text]), atol=1e-5)


def test_an_adapter_is_in_the_kept_network_too(model_folder: Path, quick: Embedder, kept: Path) -> None:
    adapted = Embedder(model_folder, adapter=SEARCH_ADAPTER, kept=kept)
    expected = Embedder(model_folder, adapter=SEARCH_ADAPTER).embed_queries(TEXTS)
    np.testing.assert_allclose(adapted.embed_queries(TEXTS), expected, atol=1e-5)
    assert np.abs(quick.embed_queries(TEXTS) - expected).max() > 0.01


def test_what_the_model_wants_before_a_question_is_kept(model_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(model_folder, copy)
    config = copy / "config_sentence_transformers.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"prompts": {"query": "question: "}}))
    plain = Embedder(copy)
    vectors = Embedder(copy, kept=tmp_path).embed_queries(TEXTS[:2])
    np.testing.assert_allclose(vectors, plain.embed_queries(TEXTS[:2]), atol=1e-5)
    assert np.abs(vectors - plain.embed(TEXTS[:2])).max() > 0.01


def test_a_later_process_answers_without_torch(model_folder: Path, quick: Embedder, kept: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from ingest.embed import Embedder; "
        "vectors = Embedder(Path(sys.argv[1]), kept=Path(sys.argv[2])).embed_queries([sys.argv[3]]); "
        "assert not {'torch', 'sentence_transformers'} & sys.modules.keys(); print(vectors[0, :4].tolist())"
    )
    said = subprocess.check_output([sys.executable, "-c", program, model_folder, kept, TEXTS[0]], text=True)
    np.testing.assert_allclose(json.loads(said), quick.embed_queries(TEXTS[:1])[0, :4], atol=1e-6)


def test_threads_get_the_same_vectors(model_folder: Path, quick: Embedder, kept: Path) -> None:
    network = Embedder(model_folder, kept=kept).load_questions()
    assert network is not None
    alone = quick.embed_queries(TEXTS[:3])
    with ThreadPoolExecutor(6) as pool:
        for number, vectors in enumerate(pool.map(lambda n: network.embed([TEXTS[n % 3]]), range(60))):
            np.testing.assert_allclose(vectors[0], alone[number % 3], atol=1e-6)


def test_a_network_that_gives_other_vectors_is_refused(model_folder: Path, quick: Embedder, kept: Path) -> None:
    (folder,) = (one for one in kept.iterdir() if quick.fingerprint in one.name)
    kept_values = json.loads((folder / SETTINGS).read_text())
    kept_values["vectors"][0][0] += 2 * ALIKE
    copy = kept.with_name("damaged") / folder.name
    shutil.copytree(folder, copy)
    (copy / SETTINGS).write_text(json.dumps(kept_values))
    with pytest.raises(ModelError, match="Delete the folder"):
        Embedder(model_folder, kept=copy.parent).embed_queries(["Is it far?"])


@pytest.mark.parametrize(
    ("name", "rest"), [("network.bin", 1000), ("network.xml", 100), (SETTINGS, 50), (SETTINGS, 0)]
)
def test_a_file_that_was_cut_short_is_told(
    quick: Embedder, model_folder: Path, kept: Path, tmp_path: Path, name: str, rest: int
) -> None:
    (folder,) = (one for one in kept.iterdir() if quick.fingerprint in one.name)
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    (copy / name).write_bytes((copy / name).read_bytes()[:rest])
    with pytest.raises(ModelError, match="Delete the folder"):
        Embedder(model_folder, kept=tmp_path).embed_queries(["Is it far?"])


def test_two_that_keep_at_once_agree(embedder: Embedder, tmp_path: Path) -> None:
    folder = tmp_path / "network"
    for _ in range(2):
        keep_network(embedder.load(), folder)
    assert [one.name for one in tmp_path.iterdir()] == ["network"]


def test_what_a_killed_start_left_is_in_nobodys_way(embedder: Embedder, tmp_path: Path) -> None:
    """In a container every start may have the number of the one that was killed."""
    (tmp_path / f".network.{os.getpid()}").mkdir()
    keep_network(embedder.load(), tmp_path / "network")
    assert (tmp_path / "network" / SETTINGS).is_file()


def test_what_cannot_be_kept_leaves_nothing(embedder: Embedder, tmp_path: Path) -> None:
    (tmp_path / "network").write_text("a file in the way")
    with pytest.raises(OSError, match="network"):
        keep_network(embedder.load(), tmp_path / "network")
    assert [one.name for one in tmp_path.iterdir()] == ["network"]


def test_an_ingest_that_embedded_leaves_the_network_for_the_service(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Parking\n\nThe garage is open at night.\n")
    for times in (1, 0):
        embedder = Embedder(model_folder, kept=tmp_path / "cache")
        splitter = Splitter(embedder.count_tokens, embedder.max_tokens, 0, False)
        with open_corpus(
            name="hospital",
            folder=tmp_path,
            library_url=None,
            chroma_server=None,
            embedder=embedder,
            splitter=splitter,
        ) as corpus:
            *_, report = LocalIngest(corpus).sync(discover([tmp_path / "a.md"]), prune=False, labels=None)
        assert isinstance(report, SyncReport)
        assert len(report.added) == times
        assert embedder.loaded == bool(times)
        assert len(list((tmp_path / "cache").iterdir())) == 1
