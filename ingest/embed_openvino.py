"""The embedder's network in OpenVINO's form: a question's vector in a quarter of the time, without loading torch.

Derived from the network of ingest/embed.py and held to it: each opening compares vectors with those that it gave.
"""

import json
import threading
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from configs.load import stay_offline
from ingest.documents import Vectors
from ingest.durable import kept_folder
from ingest.models import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

NETWORK, SETTINGS = "network.xml", "settings.json"
# Each new length costs the library a plan of its own; padding is masked, and changes nothing but the last bits.
LENGTHS = 16
PROBES = ("Where can I park at night?", "a", "word " * 300, "Übelkeit, 39 °C — what now?")
ALIKE = 1e-4
# Questions are short: a second thread waits for the first more than it helps (docs/log.md, 2026-11-26).
OPTIONS = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}


def kept_name(fingerprint: str) -> str:
    """The folder's name: another network or another version of the library has another."""
    return f"questions-{fingerprint}-{version('openvino')}"


class KeptNetwork:
    """Questions to vectors of length 1. Safe to call from several threads; one of them computes at a time."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelError if the folder's network is not the one that was kept."""
        stay_offline()
        # A fifth of a second that commands without questions need not spend.
        import openvino

        try:
            settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
            self._prompt = settings["prompt"]
            self._tokenizer = Tokenizer.from_str(settings["tokenizer"])
            compiled = openvino.Core().compile_model(folder / NETWORK, "CPU", OPTIONS)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelError(
                f"The embedder's network as kept in {folder} cannot be opened: {error}. Delete the folder; it is "
                "made anew at the next start."
            ) from error
        self._tokenizer.enable_truncation(settings["max_tokens"])
        self._tokenizer.enable_padding(pad_to_multiple_of=LENGTHS)
        self._request = compiled.create_infer_request()
        self._lock = threading.Lock()
        self._check(folder, np.array(settings["vectors"], dtype=np.float32))

    def embed(self, questions: Sequence[str]) -> Vectors:
        """A row each; a long one is cut as the embedder itself cuts it."""
        return np.concatenate([self._row(self._prompt + question.strip()) for question in questions])

    def _row(self, text: str) -> Vectors:
        encoded = self._tokenizer.encode(text)
        given = {"input_ids": np.array([encoded.ids]), "attention_mask": np.array([encoded.attention_mask])}
        with self._lock:
            return np.array(self._request.infer(given)[0], dtype=np.float32)

    def _check(self, folder: Path, expected: Vectors) -> None:
        far = float(np.abs(self.embed(PROBES) - expected).max())
        if not far < ALIKE:
            raise ModelError(
                f"The embedder's network as kept in {folder} gives other vectors than the embedder itself: up to "
                f"{far:.5f} apart, expected below {ALIKE}. Delete the folder; it is made anew at the next start. "
                "If that does not help, set embedder.questions to torch."
            )


def keep_network(model: "SentenceTransformer", folder: Path) -> None:
    """The network with the vectors that it has to give. After a crash the folder is whole or not there."""

    def write(unfinished: Path) -> None:
        write_network(model, unfinished / NETWORK)
        settings = {
            "tokenizer": model.tokenizer.backend_tokenizer.to_str(),
            "prompt": query_prompt(model),
            "max_tokens": model.max_seq_length,
            "vectors": model.encode_query(list(PROBES), normalize_embeddings=True).tolist(),
        }
        (unfinished / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")

    kept_folder(folder, write)


def query_prompt(model: "SentenceTransformer") -> str:
    """What the model wants before a question; nothing for most."""
    return str(model.prompts.get("query") or model.prompts.get(model.default_prompt_name or "") or "")


def write_network(model: "SentenceTransformer", path: Path) -> None:
    """All of the model from token ids to vectors of length 1, in float32."""
    stay_offline()
    import openvino
    import torch

    class Whole(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features: Any = {"input_ids": input_ids, "attention_mask": attention_mask}
            return torch.nn.functional.normalize(model(features)["sentence_embedding"], dim=1)

    whole = Whole()
    whole.model = model
    # Padded as real ones are: a mask of ones alone might be traced as no mask.
    mask = torch.ones((2, LENGTHS), dtype=torch.long).tril(LENGTHS // 2)
    with warnings.catch_warnings(action="ignore"):
        # Tracing warns of every branch; that none of them matters is what the kept vectors are for.
        network = openvino.convert_model(whole, example_input={"input_ids": mask, "attention_mask": mask})
    openvino.save_model(network, path, compress_to_fp16=False)
