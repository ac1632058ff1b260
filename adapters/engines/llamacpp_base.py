"""The base's file in the form in which llama.cpp reads prompts fastest."""

from pathlib import Path

from adapters.durable import replace_text
from adapters.merge import LINEAR, kept_merged
from adapters.shapes import read_gguf

# In eight bits the package reads prompts in two thirds of this kind's time (docs/decisions/0013).
SLOW = "Q4_1"


def served_gguf(gguf: Path, sha256: str, cache: Path) -> Path:
    """The file itself; of the slow kind, one with its linear layers in eight bits, which is kept in `cache`.

    Raises ModelError.
    """
    slow = kept_kind(gguf, sha256, cache) == SLOW
    return kept_merged(gguf, sha256, cache) if slow else gguf


def kept_kind(gguf: Path, sha256: str, cache: Path) -> str:
    """As `kind_of`, which takes seconds; later from `cache`, by the file's hash."""
    kept = cache / f"kind-{sha256}.txt"
    if not kept.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        replace_text(kept, kind_of(gguf))
    return kept.read_text(encoding="utf-8")


def kind_of(gguf: Path) -> str:
    """GGUF's name for how the first linear layer's numbers are kept, or "". Raises ModelError."""
    kinds = (tensor.tensor_type.name for tensor in read_gguf(gguf).tensors if LINEAR.fullmatch(tensor.name))
    return str(next(kinds, ""))
