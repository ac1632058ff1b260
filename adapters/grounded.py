"""Are the answers that a model in training gives grounded: what the right ones say, in words that it was shown?"""

from collections.abc import Sequence
from copy import copy
from statistics import fmean
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from adapters.examples import Row, as_dicts, words

# An answer may be a little longer than the right one before it is cut.
ROOM = 8


def groundedness(model: Any, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row]) -> float:
    """The mean over the rows, from 0 to 1; each is answered greedily."""
    answers = answered(model, tokenizer, rows)
    return fmean(grounded(answer, row) for answer, row in zip(answers, rows, strict=True))


def grounded(answer: str, row: Row) -> float:
    """The harmonic mean of how much of the right answer's words it says, and how many of its words stand in that or
    in what the row shows. A refusal where the right answer is one is grounded, too.
    """
    said, right = words(answer), words(row.completion)
    if not said & right:
        return 0.0
    shown = words(" ".join(str(message.content) for message in row.messages))
    recall, precision = len(said & right) / len(right), len(said & (right | shown)) / len(said)
    return 2 * recall * precision / (recall + precision)


@torch.no_grad()
def answered(model: Any, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row]) -> list[str]:
    """All at a time, as long as the longest right answer at most."""
    # Training fills rows up behind; who goes on writing needs them filled up in front.
    left = copy(tokenizer)
    left.padding_side = "left"
    asked = left.apply_chat_template(
        [as_dicts(row.messages) for row in rows],
        add_generation_prompt=True,
        padding=True,
        return_dict=True,
        return_tensors="pt",
    ).to(model.device)
    longest = max(len(tokenizer(row.completion)["input_ids"]) for row in rows) + ROOM
    made = model.generate(**asked, max_new_tokens=longest, do_sample=False, use_cache=True)
    return list(tokenizer.batch_decode(made[:, asked["input_ids"].shape[1] :], skip_special_tokens=True))


def spread(rows: Sequence[Row], count: int) -> list[Row]:
    """So many of the rows, evenly out of all; all where there are fewer."""
    count = min(count, len(rows))
    return [rows[number * len(rows) // count] for number in range(count)]
