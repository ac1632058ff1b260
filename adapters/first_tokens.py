"""An adapter's first token on the probe as torch gives it, for its card: engines have to meet it at every load."""

from pathlib import Path

import torch
from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from adapters.base import load_model
from adapters.engines import probe
from adapters.examples import as_dicts

COUNT = 10


@torch.inference_mode()
def first_tokens(base: Path, adapter: Path, tokenizer: PreTrainedTokenizerBase) -> dict[str, float]:
    """The likeliest with their log probabilities, in float32; `base` is the dequantised model's folder."""
    model = PeftModel.from_pretrained(load_model(base, torch.float32), str(adapter)).eval()
    asked = tokenizer.apply_chat_template(
        as_dicts(probe.MESSAGES), add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )
    best = torch.log_softmax(model(asked["input_ids"]).logits[0, -1].float(), dim=-1).topk(COUNT)
    tokens = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return {str(tokenizer.decode([token])): round(value, 4) for token, value in tokens}
