"""Trains a ranker group by group: each passage for itself (yes or no), and the right one against its rivals."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import get_peft_model
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import EarlyStoppingCallback, PreTrainedTokenizerBase, Trainer

from adapters.base import load_model
from adapters.examples import Row, as_dicts
from adapters.finite_steps import FiniteSteps, sound_attention
from adapters.ranking import ask
from adapters.ranking.groups import Group, rows_of
from adapters.recipe import RankingRecipe
from adapters.resume import Stopwatch, go_on
from adapters.train import Trained, arguments, fitting, lora, losses, save
from adapters.training_errors import TrainingError

Batch = dict[str, Any]


class GroupTrainer(Trainer):  # type: ignore[misc]
    """The loss of logits that are the log-odds of Yes against No, at the end of each prompt."""

    def __init__(self, yes: int, no: int, **values: Any) -> None:
        super().__init__(**values)
        self.yes, self.no = yes, no

    def compute_loss(self, model: Any, inputs: Batch, return_outputs: bool = False, **_: Any) -> Any:
        read = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        logits = model(**read, use_cache=False, logits_to_keep=1).logits[:, -1].float()
        odds = (logits[:, self.yes] - logits[:, self.no]).split(inputs["sizes"].tolist())
        pairs = zip(odds, inputs["answered"].tolist(), strict=True)
        loss = torch.stack([group_loss(some, answered) for some, answered in pairs]).mean()
        return (loss, {}) if return_outputs else loss


def group_loss(odds: torch.Tensor, answered: bool) -> torch.Tensor:
    """Of log-odds (passages,): is each told for itself, all wrong ones together counting as one; and, where the
    first one answers, is it told from the others (a softmax over the group: Gao et al. 2021, arXiv 2101.08751)?
    """
    right = torch.zeros_like(odds)
    right[0] = float(answered)
    wrong = len(odds) - int(answered)
    weights = torch.full_like(odds, 1 / max(1, wrong))
    weights[0] = 1.0 if answered else weights[0]
    alone = (binary_cross_entropy_with_logits(odds, right, reduction="none") * weights).sum()
    return alone + cross_entropy(odds[None], torch.zeros(1, dtype=torch.long, device=odds.device)) * float(answered)


@dataclass(frozen=True, slots=True)
class Collator:
    """Groups as one batch of prompts, filled up in front, so that all end in the same column."""

    fill: int

    def __call__(self, groups: Sequence[Batch]) -> Batch:
        prompts = [torch.tensor(prompt) for group in groups for prompt in group["prompts"]]
        longest = max(map(len, prompts))
        filled = torch.full((len(prompts), longest), self.fill)
        given = torch.zeros_like(filled)
        for place, prompt in enumerate(prompts):
            filled[place, longest - len(prompt) :] = prompt
            given[place, longest - len(prompt) :] = 1
        sizes = torch.tensor([len(group["prompts"]) for group in groups])
        answered = torch.tensor([group["answered"] for group in groups])
        return {"input_ids": filled, "attention_mask": given, "sizes": sizes, "answered": answered}


def train_groups(
    recipe: RankingRecipe,
    base: Path,
    tokenizer: PreTrainedTokenizerBase,
    groups: Sequence[Group],
    validation: Sequence[Group],
    work: Path,
) -> Trained:
    """As adapters.train does: `base` is the dequantised model's folder, a killed run goes on in `work`.

    Raises TrainingError when over 1 % of the prompts are too long, or there are none to train or to evaluate on.
    """
    check_both(groups, validation)
    values = arguments(recipe.training, work)
    # The rows of a batch are groups: neither columns nor lengths nor labels are those of a text.
    values.remove_unused_columns, values.train_sampling_strategy = False, "random"
    values.label_names = ["answered"]
    trainer = GroupTrainer(
        yes=token(ask.YES, tokenizer),
        no=token(ask.NO, tokenizer),
        model=get_peft_model(load_model(base, torch.float32), lora(recipe.lora)),
        args=values,
        data_collator=Collator(int(tokenizer.eos_token_id)),
        train_dataset=dataset(fitting_groups(groups, tokenizer, recipe.training.max_tokens), tokenizer),
        eval_dataset=dataset(validation, tokenizer),
        callbacks=[EarlyStoppingCallback(recipe.training.patience), FiniteSteps(), Stopwatch()],
    )
    with sound_attention():
        minutes = go_on(trainer, work)
    folder = save(trainer.model, work / "adapter", "the base of card.json")
    return Trained(folder, minutes, trainer.state.global_step, losses(trainer))


def check_both(groups: Sequence[Group], validation: Sequence[Group]) -> None:
    if not (groups and validation):
        raise TrainingError(
            f"A ranker needs questions to train and to evaluate on; there are {len(groups)} and {len(validation)}. "
            "Name documents with examples in data.validation, but not all of them."
        )


def fitting_groups(groups: Sequence[Group], tokenizer: PreTrainedTokenizerBase, most: int) -> list[Group]:
    """Those without a prompt of over so many tokens. Raises TrainingError where too many prompts are longer."""
    fit = {id(row) for row in fitting(rows_of(groups), tokenizer, most)}
    return [group for group in groups if all(id(row) in fit for row in group.rows)]


def dataset(groups: Sequence[Group], tokenizer: PreTrainedTokenizerBase) -> Dataset:
    return Dataset.from_list(
        [
            {"prompts": [prompt(row, tokenizer) for row in group.rows], "answered": group.answered}
            for group in groups
        ]
    )


def prompt(row: Row, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    read = tokenizer.apply_chat_template(as_dicts(row.messages), add_generation_prompt=True, return_dict=True)
    return list(read["input_ids"])


def token(word: str, tokenizer: PreTrainedTokenizerBase) -> int:
    return int(tokenizer(word, add_special_tokens=False)["input_ids"][0])
