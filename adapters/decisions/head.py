"""The classifier head: a multinomial logistic regression over a case's marks and vector, in numpy alone."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from adapters.card import Part
from adapters.decisions.calibration import Calibration
from adapters.decisions.features import matrix
from adapters.decisions.policy import DECISIONS, DecisionName, PolicyError
from adapters.decisions.records import Case, PastCase
from ingest.documents import Vectors
from ingest.models import file_sha256

CARD, WEIGHTS = "head.json", "head.safetensors"
WRITABLE = "In a container whose files are read-only, run this where the pack can be written."


class HeadCard(Part):
    """What the weights mean and what they were made from.

    `decisions` maps each code to its decision; `vote` is the share that so many `similar` past records have in the
    way with retrieval; `ways` holds the calibration of both ways. The records fitted the policy that has
    `policy_sha256`. A card without `similar` is of an earlier program, whose memory was in the order of the file.
    """

    embedder: str
    records_sha256: str
    policy_sha256: str = ""
    weights_sha256: str
    codes: tuple[str, ...]
    decisions: dict[str, DecisionName]
    known: tuple[str, ...]
    cuts: dict[str, tuple[float, ...]]
    vote: float
    similar: int = 0
    ways: dict[str, Calibration]


@dataclass(frozen=True)
class Head:
    """`weights` (features, codes), `bias` (codes,); `memory` are the training records' vectors, by their ids."""

    card: HeadCard
    weights: Vectors
    bias: Vectors
    memory: Vectors

    def codes(self, cases: Sequence[Case], notes: Vectors) -> Vectors:
        """The probability of each reason code (n, codes), not calibrated. `notes` are the notes' vectors (n, d)."""
        logits = matrix(cases, notes, self.card.known, self.card.cuts) @ self.weights + self.bias
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)


def likeliest(
    shares: Vectors, codes: Sequence[str], decisions: Mapping[str, DecisionName]
) -> tuple[DecisionName, str, float]:
    """The decision whose codes (codes,) have most together, its likeliest code, and the decision's share."""
    of = {name: [at for at, code in enumerate(codes) if decisions[code] == name] for name in DECISIONS}
    sums = {name: float(shares[places].sum()) for name, places in of.items() if places}
    best = max(sums, key=lambda name: sums[name])
    return best, codes[max(of[best], key=lambda at: shares[at])], sums[best]


def records_sha256(past: Sequence[PastCase]) -> str:
    """Of the records that the head was made from, whatever their order in the file."""
    return hashlib.sha256("\n".join(sorted(map(PastCase.line, past))).encode()).hexdigest()


def write_head(head: Head, folder: Path) -> None:
    """The card holds the hash of the weights, so that a changed byte is seen.

    Raises PolicyError where the folder cannot be written.
    """
    tensors: dict[str, np.ndarray] = {
        "weights": head.weights.astype(np.float32),
        "bias": head.bias.astype(np.float32),
        "memory": head.memory.astype(np.float16),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / WEIGHTS)
        card = head.card.model_copy(update={"weights_sha256": file_sha256(folder / WEIGHTS)})
        (folder / CARD).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise PolicyError(f"The head cannot be written to {folder}: {error}. {WRITABLE}") from error


def read_head(folder: Path, embedder: str, past: Sequence[PastCase], policy: str) -> Head:
    """Through a gate: weights as the card says, finite, for this embedder, these records and this policy's hash.

    Raises PolicyError.
    """
    try:
        card = HeadCard.model_validate_json((folder / CARD).read_bytes())
        tensors = load_file(folder / WEIGHTS)
        head = Head(card, *(tensors[name].astype(np.float32) for name in ("weights", "bias", "memory")))
    except (OSError, ValidationError, SafetensorError, KeyError) as error:
        raise PolicyError(f"The decision head in {folder} cannot be used: {error}") from error
    if reason := misfit(head, file_sha256(folder / WEIGHTS), embedder, past, policy):
        raise PolicyError(f"The decision head in {folder} {reason}. Run `triptych decisions fit`.")
    return head


def misfit(head: Head, weights: str, embedder: str, past: Sequence[PastCase], policy: str) -> str | None:
    """Why the head must not decide here, or None."""
    card = head.card
    if weights != card.weights_sha256:
        return f"has weights with the hash {weights[:12]}, its card says {card.weights_sha256[:12]}"
    if not all(np.isfinite(tensor).all() for tensor in (head.weights, head.bias, head.memory)):
        return "has weights that are not finite"
    if embedder != card.embedder:
        return f"was made with the embedder {card.embedder}, this is {embedder}"
    if not card.similar:
        return "does not tell how many similar records it was calibrated with, nor the order of its memory"
    if records_sha256(past) != card.records_sha256:
        return "was made from other records than those in the folder"
    if policy != card.policy_sha256:
        return "was made for another policy than the one in the folder"
    return None
