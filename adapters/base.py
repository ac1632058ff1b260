"""The base model for torch: the very weights of the GGUF, dequantised once and kept."""

import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.durable import kept_folder
from ingest.models import ModelError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def dequantised(gguf: Path, sha256: str, cache: Path) -> Path:
    """The folder of the GGUF's weights as safetensors; made at the first call (half a minute), then kept."""
    return kept_folder(cache / sha256, partial(write_dequantised, gguf))


def write_dequantised(gguf: Path, folder: Path) -> None:
    # Seconds to import, and only the torch engine and training need them.
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    place = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    # Without GgufConfig the model stays marked as quantised, and cannot be saved.
    model = AutoModelForCausalLM.from_pretrained(
        **place, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**place).save_pretrained(folder)


def load_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)


def gguf_tokenizer(gguf: Path) -> "PreTrainedTokenizerBase":
    """The tokenizer alone, without the minute and the disk that the dequantised weights take. Raises ModelError."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name, local_files_only=True)
    except (ValueError, KeyError, OSError) as error:
        told = str(error).strip().partition("\n")[0]
        raise ModelError(f"The tokenizer in {gguf} cannot be used for training: {told}") from error


def load_model(folder: Path, dtype: "torch.dtype") -> "PreTrainedModel":
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype, local_files_only=True).eval()


def tokenizer_sha256(folder: Path) -> str:
    return hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()


def chat_template_sha256(tokenizer: "PreTrainedTokenizerBase") -> str:
    return hashlib.sha256(str(tokenizer.chat_template).encode()).hexdigest()
