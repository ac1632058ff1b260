"""A LoRA adapter for the embedder: questions come near the passages that answer them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import CoSENTLoss, MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.training_args import BatchSamplers, MultiDatasetBatchSamplers
from transformers import set_seed

from adapters.asked import Asked
from adapters.precision import in_bfloat16
from adapters.recipe import Lora, SearchRecipe, SearchTraining
from adapters.resume import Stopwatch, last_checkpoint
from adapters.train import save

# The linear layers of BERT and its kin; its pooler has no part in the mean of the token vectors.
LINEAR, UNUSED = ("dense", "key", "query", "value"), ("pooler.dense",)


@dataclass(frozen=True, slots=True)
class Tuned:
    """The folder with PEFT's two files, and the minutes it took (of killed runs, up to their last checkpoint)."""

    folder: Path
    minutes: float


def tune(recipe: SearchRecipe, embedder: Path, asked: Sequence[Asked], work: Path) -> Tuned:
    """Two losses in turn. One tells a question's passage from others (Henderson et al., arXiv 1705.00652). With the
    other, questions come nearer to their passage than those without an answer are to anything (CoSENT, Su 2022), so
    that a bound on the cosine can tell them apart.

    `work` holds checkpoints: a killed run goes on from the last.
    """
    values = recipe.training
    set_seed(values.seed)
    model = SentenceTransformer(str(embedder), device=device(), local_files_only=True)
    model.add_adapter(lora(recipe.lora))
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments(values, work),
        train_dataset={"passage": passages(asked), "answerable": answerable(asked)},
        loss={
            "passage": MultipleNegativesRankingLoss(model, scale=values.scale),
            "answerable": CoSENTLoss(model, scale=values.scale),
        },
        callbacks=[Stopwatch()],
    )
    trainer.train(resume_from_checkpoint=last_checkpoint(work))
    minutes = trainer.pop_callback(Stopwatch).minutes
    return Tuned(save(model.transformers_model, work / "adapter", "the embedder of card.json"), minutes)


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def lora(values: Lora) -> LoraConfig:
    return LoraConfig(
        r=values.rank,
        lora_alpha=values.alpha,
        lora_dropout=values.dropout,
        target_modules=list(LINEAR),
        exclude_modules=list(UNUSED),
    )


def arguments(values: SearchTraining, work: Path) -> SentenceTransformerTrainingArguments:
    """No passage twice in a batch: it would be right and wrong at once."""
    return SentenceTransformerTrainingArguments(
        output_dir=str(work),
        num_train_epochs=values.epochs,
        per_device_train_batch_size=values.batch_size,
        learning_rate=values.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=values.warmup_share,
        weight_decay=values.weight_decay,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        multi_dataset_batch_sampler=MultiDatasetBatchSamplers.PROPORTIONAL,
        use_cpu=device() == "cpu",
        bf16=in_bfloat16(),
        save_strategy="epoch",
        save_total_limit=1,
        restore_callback_states_from_checkpoint=True,
        logging_steps=10,
        dataloader_pin_memory=device() != "cpu",
        seed=values.seed,
        report_to="none",
    )


def passages(asked: Sequence[Asked]) -> Dataset:
    rows = [one for one in asked if one.answering]
    columns = {"question": [one.question for one in rows], "passage": [one.answering for one in rows]}
    hard = zip(*(one.others for one in rows), strict=True)
    return Dataset.from_dict(columns | {f"other {number}": list(texts) for number, texts in enumerate(hard)})


def answerable(asked: Sequence[Asked]) -> Dataset:
    """Questions with their passage (1), and those without an answer with the nearest passage (0), about as many.

    With three times as many of them this loss outweighs the other, and the right passage is found less often.
    """
    known = [(one.question, one.answering, 1.0) for one in asked if one.answering]
    unknown = [(one.question, one.others[0], 0.0) for one in asked if not one.answering]
    every = max(1, len(known) // len(unknown))
    questions, texts, labels = zip(*known[::every], *unknown, strict=True)
    return Dataset.from_dict({"question": questions, "passage": texts, "label": labels})
