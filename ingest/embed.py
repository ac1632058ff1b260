"""The embedder: texts to vectors; with adapters/tune.py the only place that knows sentence-transformers."""

import hashlib
import json
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from ingest.documents import Vectors
from ingest.embed_adapter import ADAPTER_WEIGHTS, CONFIG, add_adapter, check_adapter
from ingest.embed_openvino import KeptNetwork, keep_network, kept_name
from ingest.models import WEIGHTS, ModelError, file_sha256

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

RECENT_QUESTIONS = 64
_NEEDED = (WEIGHTS, "tokenizer.json", "modules.json", "sentence_bert_config.json")


class Embedder:
    """A sentence-transformers folder. Safe to call from several threads; one of them computes at a time.

    The tokenizer is there at once. The network is loaded by `load` or at the first text, since that takes
    seconds and much of what an ingest does needs no vectors. `adapter` is the folder of a LoRA adapter for this
    very network; a damaged or foreign one raises ModelError here. With a folder `kept`, questions go through a copy
    of the network that is kept there in OpenVINO's form: the same vectors, and sentence-transformers is loaded at
    the first passage only.
    """

    def __init__(
        self, path: Path, batch_size: int = 32, adapter: Path | None = None, kept: Path | None = None
    ) -> None:
        missing = [name for name in _NEEDED if not (path / name).is_file()]
        if missing:
            raise ModelError(f"{path} is not a sentence-transformers folder: {', '.join(missing)} is missing.")
        if adapter:
            check_adapter(adapter, file_sha256(path / WEIGHTS))
        self._path = path
        self._adapter = adapter
        self._batch_size = batch_size
        self._kept = kept
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._network: KeptNetwork | None = None
        self._recent: dict[str, Vectors] = {}
        self._counter = Tokenizer.from_file(str(path / "tokenizer.json"))
        self._counter.no_truncation()
        self._counter.no_padding()

    @cached_property
    def fingerprint(self) -> str:
        """Changes when the same text would get another vector."""
        files = [self._path / WEIGHTS, *sorted(self._path.rglob("*.json"))]
        if self._adapter:
            files += [self._adapter / ADAPTER_WEIGHTS, self._adapter / CONFIG]
        recipe = " ".join(["float32", *map(file_sha256, files)])
        return hashlib.sha256(recipe.encode()).hexdigest()[:12]

    @cached_property
    def max_tokens(self) -> int:
        """How many tokens of a text are read, the model's own two marks not counted."""
        settings = json.loads((self._path / "sentence_bert_config.json").read_text(encoding="utf-8"))
        length = settings.get("max_seq_length") or self.load().max_seq_length or 0
        return int(length) - self._counter.num_special_tokens_to_add(is_pair=False)

    @property
    def dimension(self) -> int:
        return int(self.load().get_embedding_dimension() or 0)

    def count_tokens(self, text: str) -> int:
        """The text's length in the model's tokens, the model's own two marks not counted."""
        return len(self._counter.encode(text, add_special_tokens=False).ids)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Passages to vectors of length 1, a row each."""
        return self._encode(texts, self.load().encode_document)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Questions to vectors of length 1: some models mark questions and passages differently.

        The last ones are remembered, since the emergency check and the search ask for the same question.
        """
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        recent = self._recent
        known = {text: recent[text] for text in texts if text in recent}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known |= zip(new, self._embed_questions(new), strict=True)
            # A new dictionary in the old one's place: threads that read the old one are not disturbed.
            self._recent = dict([*self._recent.items(), *known.items()][-RECENT_QUESTIONS:])
        return np.stack([known[text] for text in texts])

    def _embed_questions(self, texts: Sequence[str]) -> Vectors:
        network = self.load_questions()
        return network.embed(texts) if network else self._encode(texts, self.load().encode_query)

    def load_questions(self) -> KeptNetwork | None:
        """Open what questions need; the kept network is made if there is none yet. Raises ModelError."""
        if self._kept is None:
            self.load()
            return None
        with self._opening:
            self._network = self._network or self._open_network(self._kept)
            return self._network

    @property
    def loaded(self) -> bool:
        """Whether anything needed sentence-transformers so far."""
        return "_model" in self.__dict__

    def load(self) -> "SentenceTransformer":
        with self._lock:
            return self._model

    def _encode(self, texts: Sequence[str], encode: Any) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        with self._lock:
            # The library sorts the texts by length, so that little is spent on padding.
            vectors = encode(
                list(texts), batch_size=self._batch_size, normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(vectors, dtype=np.float32)

    def _open_network(self, kept: Path) -> KeptNetwork:
        folder = kept / kept_name(self.fingerprint)
        if not folder.is_dir():
            keep_network(self.load(), folder)
        return KeptNetwork(folder)

    @cached_property
    def _model(self) -> "SentenceTransformer":
        # Imported here, since it takes seconds and most commands never need it; the switch for progress bars
        # is read by the second import.
        from huggingface_hub.utils.tqdm import disable_progress_bars

        disable_progress_bars()
        from sentence_transformers import SentenceTransformer

        # Not as its file says: bfloat16 would round an adapter's small changes away.
        model = SentenceTransformer(
            str(self._path), device="cpu", local_files_only=True, model_kwargs={"dtype": "float32"}
        )
        if self._adapter:
            add_adapter(model.transformers_model, self._adapter)
        return model
