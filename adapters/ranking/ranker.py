"""Which passage is a question asked after? The one after which the question's words are likeliest.

The query likelihood of Ponte and Croft (1998), by a language model that reads the passage: dos Santos et al. (2020,
arXiv 2010.03073), Sachan et al. (2022, arXiv 2204.07496).
"""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
from langchain_core.messages import convert_to_openai_messages

from adapters.convert import ConversionError
from adapters.engines.openvino_lane import kept_tokenizer, network_of
from adapters.merge import merged_gguf
from adapters.ranking import ask
from adapters.ranking.network import Network, Tokens
from adapters.shapes import BaseFile
from adapters.verify import verify
from ingest.models import ModelError, file_sha256


class Ranker:
    """Opened from what open_ranker keeps. Safe to call from several threads; one of them computes at a time."""

    def __init__(self, folder: Path, sha256: str, threads: int) -> None:
        """`sha256`: of the adapter's weights. Raises ModelError."""
        self.sha256 = sha256
        self._network = Network(folder, threads)
        self._tokenizer = kept_tokenizer(folder)
        self._lock = Lock()

    def likelihoods(self, question: str, passages: Sequence[str], earlier: str = "") -> list[float]:
        """For each passage the mean log-likelihood of the question's tokens and of its end, 0 at most.

        Of a follow-up on the question `earlier` only its own tokens count, after that one's: a long first question
        would outweigh a short second.
        """
        with self._lock:
            answer, own = self._answer(question, earlier)
            prompts = [np.concatenate([self._prompt(passage), answer[:-1]]) for passage in passages]
            tokens, given = filled_up(prompts)
            found = self._network.likelihoods(tokens, given, np.tile(answer, (len(prompts), 1)))
        return [float(row[-own:].mean()) for row in found]

    def _answer(self, question: str, earlier: str) -> tuple[Tokens, int]:
        """What is read after a passage, with its end, and how many of its last tokens are the question's own."""
        before = ask.asked(earlier)
        read = self._ids(f"{before} {ask.asked(question)}".strip())
        known = len(self._ids(before)) if before else 0
        return np.append(read, self._tokenizer.get_eos_token_id()), len(read) - known + 1

    def _prompt(self, passage: str) -> Tokens:
        messages = convert_to_openai_messages(ask.messages(passage))
        return self._ids(self._tokenizer.apply_chat_template(messages, add_generation_prompt=True))

    def _ids(self, text: str) -> Tokens:
        ids = self._tokenizer.encode(text, add_special_tokens=False).input_ids.data[0]
        return np.asarray(ids, dtype=np.int64)


def filled_up(prompts: Sequence[Tokens]) -> tuple[Tokens, Tokens]:
    """Prompts of any lengths as rows (prompts, longest), filled up in front; and where they are not filling."""
    longest = max(map(len, prompts))
    rows = [(longest - len(prompt), prompt) for prompt in prompts]
    tokens = np.stack([np.pad(prompt, (missing, 0)) for missing, prompt in rows])
    given = np.stack([np.arange(longest) >= missing for missing, _ in rows])
    return tokens, given.astype(np.int64)


def open_ranker(adapter: Path, base: BaseFile, cache: Path, threads: int) -> Ranker:
    """The base with the adapter in NAME/VERSION, through the gate; its network is kept in the folder `cache`.

    `threads` 0: all cores. Raises ModelError.
    """
    sha256 = file_sha256(base.gguf)
    try:
        card = verify(adapter, sha256, base.shapes)
        if card.prompt_sha256 != ask.FORM.hash:
            raise ModelError(
                f"The adapter in {adapter} learnt {card.prompt}, not {ask.FORM.label}: it cannot rank passages. "
                "Train one with `triptych adapters rank`."
            )
        merged = merged_gguf(adapter, base.gguf, cache / f"{sha256[:16]}-{card.weights_sha256}.q8_0.gguf")
        return Ranker(network_of(merged), card.weights_sha256, threads)
    except (ConversionError, RuntimeError, OSError) as error:
        raise ModelError(f"ranker.adapter cannot act: {error}") from error
