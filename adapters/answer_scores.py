"""How well an adapter says rows' answers: the loss, and the share of their tokens that it would have said."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from adapters.base import load_model
from adapters.examples import Row, as_dicts
from adapters.precision import training_dtype


@dataclass(frozen=True, slots=True)
class AnswerScore:
    """`loss` as in training; `right` is the share of the answer's tokens that were the likeliest, each
    after the right ones before it.
    """

    loss: float
    right: float


def answer_scores(
    base: Path,
    adapter: Path,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Row],
    choice_tokens: int,
    choice_weight: float,
) -> list[AnswerScore]:
    """Of each row, by the base in `base` with the adapter; an answer's first tokens weigh more, as in training."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = PeftModel.from_pretrained(load_model(base, training_dtype()), str(adapter)).eval().to(device)
    return [answer_score(model, *encoded(row, tokenizer, device), choice_tokens, choice_weight) for row in rows]


@torch.inference_mode()
def answer_score(
    model: PeftModel, ids: torch.Tensor, start: int, choice_tokens: int, choice_weight: float
) -> AnswerScore:
    llama, labels = model.get_base_model(), ids[0, start:]
    logits = llama.lm_head(llama.model(ids)[0][0, start - 1 : -1]).float()
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    losses[:choice_tokens] *= choice_weight
    return AnswerScore(float(losses.mean()), float((logits.argmax(dim=1) == labels).float().mean()))


def encoded(row: Row, tokenizer: PreTrainedTokenizerBase, device: str) -> tuple[torch.Tensor, int]:
    """The whole row's tokens (1, n), and where its answer begins."""
    asked = as_dicts(row.messages)
    answered = [*asked, {"role": "assistant", "content": row.completion}]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)["input_ids"]
    whole = tokenizer.apply_chat_template(answered, return_dict=True)["input_ids"]
    return torch.tensor([whole], device=device), len(prompt)
