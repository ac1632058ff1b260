"""The base's file in the form in which llama.cpp reads prompts fastest."""

from pathlib import Path

from adapters.header import kept_header
from adapters.merge import kept_merged

# In eight bits the package reads prompts in two thirds of this kind's time (docs/decisions/0013).
SLOW = "Q4_1"


def served_gguf(gguf: Path, sha256: str, cache: Path) -> Path:
    """The file itself; of the slow kind, one with its linear layers in eight bits, which is kept in `cache`.

    Raises ModelError.
    """
    slow = kept_header(gguf, sha256, cache).kind == SLOW
    return kept_merged(gguf, sha256, cache) if slow else gguf
