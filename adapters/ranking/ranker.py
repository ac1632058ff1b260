"""Does a passage answer a question? How sure a small language model is that it says Yes.

A pointwise ranker as in Nogueira et al. (2020, arXiv 2003.06713). It can say No of all passages, which a likelihood
of the question (docs/decisions/0011) cannot.
"""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
from langchain_core.messages import BaseMessage, convert_to_openai_messages

from adapters.convert import ConversionError
from adapters.engines import probe
from adapters.engines.openvino_lane import kept_tokenizer, network_of
from adapters.header import BaseFile
from adapters.merge import kept_merged
from adapters.ranking import ask
from adapters.ranking.network import Network, Tokens
from adapters.verify import verify
from ingest.models import ModelError

LENGTHS = 64


class Ranker:
    """Opened from what open_ranker keeps. Safe to call from several threads; one of them computes at a time."""

    def __init__(self, folder: Path, sha256: str, threads: int) -> None:
        """`sha256`: of the adapter's weights. Raises ModelError."""
        self.sha256 = sha256
        self._network = Network(folder, threads)
        self._tokenizer = kept_tokenizer(folder)
        self._yes, self._no = (int(self._ids(word)[0]) for word in (ask.YES, ask.NO))
        self._lock = Lock()

    def log_odds(self, question: str, passages: Sequence[str], earlier: str = "") -> list[float]:
        """For each passage the natural logarithm of (answers / does not), 0 where it is as likely as not.

        `earlier` is the question before a follow-up.
        """
        with self._lock:
            prompts = [self._prompt(ask.messages(passage, question, earlier)) for passage in passages]
            logits = self._network.next(*filled_up(prompts))
        return [float(row[self._yes] - row[self._no]) for row in logits]

    def first_tokens(self) -> probe.Top:
        """The likeliest answers to the probe, with their log probabilities."""
        with self._lock:
            logits = self._network.next(*filled_up([self._prompt(probe.MESSAGES)]))[0]
        known = logits - np.logaddexp.reduce(logits)
        best = np.argsort(known)[: -probe.GENERATION.logprobs - 1 : -1]
        return {self._tokenizer.decode([token]): float(known[token]) for token in best.tolist()}

    def _prompt(self, messages: Sequence[BaseMessage]) -> Tokens:
        told = convert_to_openai_messages(messages)
        return self._ids(self._tokenizer.apply_chat_template(told, add_generation_prompt=True))

    def _ids(self, text: str) -> Tokens:
        ids = self._tokenizer.encode(text, add_special_tokens=False).input_ids.data[0]
        return np.asarray(ids, dtype=np.int64)


def filled_up(prompts: Sequence[Tokens]) -> tuple[Tokens, Tokens]:
    """Prompts of any lengths as rows (prompts, n), filled up in front; and where they are not filling.

    `n` is a multiple of LENGTHS: each new one costs the library a plan of its own, in memory and time.
    """
    longest = -(-max(map(len, prompts)) // LENGTHS) * LENGTHS
    rows = [(longest - len(prompt), prompt) for prompt in prompts]
    tokens = np.stack([np.pad(prompt, (missing, 0)) for missing, prompt in rows])
    given = np.stack([np.arange(longest) >= missing for missing, _ in rows])
    return tokens, given.astype(np.int64)


def open_ranker(adapter: Path, base: BaseFile, cache: Path, threads: int) -> Ranker:
    """The base with the adapter in NAME/VERSION, through the gate; its network is kept in the folder `cache`.

    `threads` 0: all cores. Raises ModelError.
    """
    try:
        card = verify(adapter, base.sha256, base.shapes)
        if card.prompt_sha256 != ask.FORM.hash:
            raise ModelError(
                f"The adapter in {adapter} learnt {card.prompt}, not {ask.FORM.label}: it cannot rank passages. "
                "Train one with `triptych adapters rank`."
            )
        merged = kept_merged(base.gguf, base.sha256, cache, adapter, card.weights_sha256)
        network = network_of(merged)
        ranker = Ranker(network, card.weights_sha256, threads)
        told = f"{card.name}, as kept in {network} (delete that folder and {merged.name}: both are made anew),"
        probe.check_met(told, card.probe, ranker.first_tokens())
        return ranker
    except (ConversionError, RuntimeError, OSError) as error:
        raise ModelError(f"ranker.adapter cannot act: {error}") from error
