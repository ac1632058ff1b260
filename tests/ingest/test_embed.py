import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ingest.embed import RECENT_QUESTIONS, Embedder
from ingest.models import ModelError

TEXTS = ["Dental care for veterans", "How to see a dentist", "Pay a parking fine"]


def test_vectors_have_length_one_and_say_what_is_alike(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (3, embedder.dimension) == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alike = vectors @ vectors.T
    assert alike[0, 1] > alike[0, 2] + 0.2


def test_a_text_has_the_same_vector_alone_and_in_a_batch(embedder: Embedder) -> None:
    texts = [*TEXTS, "word " * 200]
    together = embedder.embed(texts)
    for number, text in enumerate(texts):
        np.testing.assert_allclose(embedder.embed([text])[0], together[number], atol=1e-5)


def test_questions_are_embedded_like_passages_by_this_model(embedder: Embedder) -> None:
    np.testing.assert_allclose(embedder.embed_queries(TEXTS), embedder.embed(TEXTS), atol=1e-6)


def test_no_texts_are_no_rows(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == embedder.embed_queries([]).shape == (0, 384)


def test_a_question_is_computed_once(model_folder: Path) -> None:
    embedder = Embedder(model_folder)
    first, second = embedder.embed_queries(TEXTS[:2])
    with embedder._lock:  # whoever computes now waits for ever
        again = embedder.embed_queries([TEXTS[1], TEXTS[0], TEXTS[1]])
    np.testing.assert_array_equal(again, [second, first, second])
    again[:] = 0
    np.testing.assert_array_equal(embedder.embed_queries(TEXTS[:1])[0], first)


def test_only_the_last_questions_are_remembered(embedder: Embedder) -> None:
    many = [f"question {number}" for number in range(RECENT_QUESTIONS + 5)]
    vectors = embedder.embed_queries(many)
    assert list(embedder._recent) == many[5:]
    np.testing.assert_allclose(embedder.embed_queries(many[:5]), vectors[:5], atol=1e-5)


def test_tokens_are_counted_without_the_models_own_marks(embedder: Embedder) -> None:
    assert embedder.count_tokens("dental care") == 2
    assert embedder.count_tokens("") == 0
    assert embedder.count_tokens("word " * 5000) == 5000
    assert embedder.max_tokens == 254


def test_the_last_token_that_counts_is_the_last_that_is_read(embedder: Embedder) -> None:
    full = ["care"] * embedder.max_tokens
    base, within, beyond = embedder.embed([" ".join(full), " ".join([*full[:-1], "tax"]), " ".join([*full, "tax"])])
    assert abs(base - within).max() > 1e-5
    np.testing.assert_allclose(base, beyond, atol=1e-6)


def test_threads_get_the_same_vectors(embedder: Embedder) -> None:
    alone = [embedder.embed([text])[0] for text in TEXTS]
    with ThreadPoolExecutor(6) as pool:
        for number, vectors in enumerate(pool.map(lambda n: embedder.embed([TEXTS[n % 3]]), range(30))):
            np.testing.assert_allclose(vectors[0], alone[number % 3], atol=1e-5)


def test_the_fingerprint_changes_with_the_model(model_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(model_folder, copy)
    before = Embedder(copy).fingerprint
    assert before == Embedder(model_folder).fingerprint
    pooling = copy / "1_Pooling" / "config.json"
    pooling.write_text(pooling.read_text().replace("true", "false", 1))
    assert Embedder(copy).fingerprint != before


def test_a_folder_that_is_no_embedder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        Embedder(tmp_path)


def test_the_import_is_cheap() -> None:
    code = "import ingest.commands, sys; print(*{'torch', 'chromadb', 'transformers'} & sys.modules.keys())"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=Path(__file__).parents[2])
    assert loaded.strip() == ""
