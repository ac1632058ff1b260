"""One LoRA recipe, read from top to bottom: TRL and PEFT on the dequantised base."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file, save_file
from transformers import EarlyStoppingCallback, PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from adapters.base import load_model
from adapters.card import CONFIG, WEIGHTS
from adapters.examples import Row, as_dicts, tokens
from adapters.finite_steps import FiniteSteps, sound_attention
from adapters.grounded import groundedness, spread
from adapters.precision import in_bfloat16, training_dtype
from adapters.recipe import Lora, ModelRecipe, Training
from adapters.resume import Stopwatch, go_on
from adapters.training_errors import Diverged, TrainingError
from adapters.verify import MEANT, MODULES

logger = logging.getLogger(__name__)

IGNORED = -100


@dataclass(frozen=True, slots=True)
class Trained:
    """The folder with PEFT's two files, the minutes it took (those of killed runs up to the checkpoints that were
    gone on from, too), the losses by step, and by how many processes.
    """

    folder: Path
    minutes: float
    steps: int
    losses: tuple[dict[str, float], ...]
    processes: int = 1


class AnswerTrainer(SFTTrainer):  # type: ignore[misc]
    """The vocabulary's logits at answer positions only: of a row of 500 tokens, 60 are the answer.

    TRL's own loss tiles over all of them, in float32: 45 % of a step's time on a CPU. An answer's first tokens
    weigh more, as the recipe says. Where several processes train together, each has its part of every batch, and
    the loss is that of the whole batch. At each evaluation the rows `asked` are answered, by each process.
    """

    def __init__(self, choice_tokens: int, choice_weight: float, asked: Sequence[Row] = (), **values: Any) -> None:
        super().__init__(**values)
        self.asked = asked
        self.choice_tokens = choice_tokens
        self.choice_weight = choice_weight
        # Rows are shuffled by torch's own generator: all processes have to agree on the order.
        self.accelerator.rng_types = ["torch"]

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        labels = self.counted(inputs["labels"])[:, 1:]
        wanted = labels != IGNORED
        logits = self.logits_at(wanted, model, inputs)
        losses = torch.nn.functional.cross_entropy(logits, labels[wanted], reduction="none")
        total = (losses * self.weights(wanted)).sum()
        loss = self.summed(total) / self.accelerator.reduce(wanted.sum())
        return (loss, {}) if return_outputs else loss

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **values: Any) -> Any:
        found = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **values)
        if self.asked:
            model, tokenizer = self.accelerator.unwrap_model(self.model), self.processing_class
            found.metrics[f"{metric_key_prefix}_grounded"] = groundedness(model, tokenizer, self.asked)
        return found

    def counted(self, labels: torch.Tensor) -> torch.Tensor:
        """The last batch is filled up with rows of the first, that all have as many; those do not count."""
        state = self.accelerator.gradient_state
        if self.accelerator.num_processes == 1 or not state.end_of_dataloader or state.remainder <= 0:
            return labels
        numbers = torch.arange(len(labels), device=labels.device) + self.accelerator.process_index * len(labels)
        return labels.masked_fill((numbers >= state.remainder)[:, None], IGNORED)

    def logits_at(self, wanted: torch.Tensor, model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """One row of logits for each position in `wanted`.

        The model runs as it is wrapped: around the wrapper, torch would not average the gradients of the processes,
        and not say so. It gets no mask: what fills a row up stands after its last token, where no token looks.
        """
        head = self.accelerator.unwrap_model(model).get_output_embeddings()
        hook = head.register_forward_pre_hook(lambda _, hidden: (hidden[0][:, :-1][wanted],))
        try:
            with self.accelerator.autocast():
                return cast(torch.Tensor, model(inputs["input_ids"], use_cache=False).logits.float())
        finally:
            hook.remove()

    def summed(self, part: torch.Tensor) -> torch.Tensor:
        """Over all processes; in training the average of their gradients does that, each from its own part."""
        several = self.accelerator
        return cast(torch.Tensor, part * several.num_processes if self.model.training else several.reduce(part))

    def weights(self, wanted: torch.Tensor) -> torch.Tensor:
        """One for each answer position, in the order of `tensor[wanted]`."""
        chosen = wanted.cumsum(dim=1)[wanted] <= self.choice_tokens
        return torch.where(chosen, self.choice_weight, 1.0)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        # What marks a checkpoint as whole is written next: not before all processes have written theirs.
        self.accelerator.wait_for_everyone()


def train(
    recipe: ModelRecipe,
    base: Path,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Row],
    validation: Sequence[Row],
    work: Path,
    start: Path | None = None,
) -> Trained:
    """Train on the rows and keep the last weights; where the evaluations only get worse, it ends early.

    Not the weights of the least loss: that is mostly copying, and falls before the passage is chosen well. What
    gets worse is the loss or, where the recipe says `grounded`, how grounded the answers are.

    `base` is the dequantised model's folder, `work` holds checkpoints: a killed run goes on from the last, and one
    that has ended is not trained on. `start` is the folder of the adapter to go on from. In one of several
    processes (adapters/launch.py), only the main one writes the adapter.
    Raises TrainingError when over 1 % of the rows are too long, or when a row's end is not learnt.
    """
    values = recipe.training
    trainer = AnswerTrainer(
        choice_tokens=values.choice_tokens,
        choice_weight=values.choice_weight,
        asked=spread(validation, values.grounded),
        model=adapted(base, start) if start else load_model(base, training_dtype()),
        args=arguments(values, work),
        train_dataset=dataset(fitting(rows, tokenizer, values.max_tokens)),
        eval_dataset=dataset(validation),
        processing_class=tokenizer,
        peft_config=None if start else lora(recipe.lora),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=values.patience), FiniteSteps(), Stopwatch()],
    )
    check_end_is_learnt(trainer, tokenizer)
    with sound_attention():
        minutes = go_on(trainer, work)
    folder = work / "adapter"
    if trainer.accelerator.is_main_process:
        save(trainer.model, folder, "the base of card.json")
    return Trained(folder, minutes, trainer.state.global_step, losses(trainer), trainer.accelerator.num_processes)


def adapted(base: Path, adapter: Path) -> PeftModel:
    """The base with an adapter whose weights are trained on, in float32: bfloat16 would lose small steps."""
    model = PeftModel.from_pretrained(load_model(base, torch.float32), str(adapter), is_trainable=True)
    # Saving, PEFT looks for the base by this name, and where it is no folder, on the hub.
    model.active_peft_config.base_model_name_or_path = str(base)
    return model


def lora(values: Lora) -> LoraConfig:
    """Plain LoRA on all linear layers: the subset that llama.cpp, vLLM and PEFT all serve."""
    return LoraConfig(
        r=values.rank,
        lora_alpha=values.alpha,
        lora_dropout=values.dropout,
        target_modules=sorted(MODULES),
        task_type="CAUSAL_LM",
    )


def arguments(values: Training, work: Path) -> SFTConfig:
    gpu = torch.cuda.is_available()
    return SFTConfig(
        output_dir=str(work),
        learning_rate=values.learning_rate,
        lr_scheduler_type="cosine_with_restarts",
        lr_scheduler_kwargs={"num_cycles": values.cycles},
        warmup_steps=values.warmup_share,
        weight_decay=values.weight_decay,
        num_train_epochs=values.epochs,
        per_device_train_batch_size=values.batch_size,
        per_device_eval_batch_size=values.batch_size,
        # Several processes share a batch: order and number of the steps stay what the recipe says.
        accelerator_config={"split_batches": True},
        ddp_find_unused_parameters=False,
        max_length=values.max_tokens,
        completion_only_loss=True,
        gradient_checkpointing=False,
        use_cpu=not gpu,
        bf16=in_bfloat16(),
        train_sampling_strategy="group_by_length",
        eval_strategy="steps",
        eval_steps=values.evaluate_every,
        save_strategy="steps",
        save_steps=values.evaluate_every,
        save_total_limit=2,
        load_best_model_at_end=False,
        restore_callback_states_from_checkpoint=True,
        metric_for_best_model="eval_grounded" if values.grounded else "eval_loss",
        greater_is_better=values.grounded > 0,
        logging_steps=5,
        dataloader_pin_memory=gpu,
        seed=values.seed,
        prediction_loss_only=True,
        report_to="none",
    )


def dataset(rows: Sequence[Row]) -> Dataset:
    return Dataset.from_list(
        [
            {
                "prompt": as_dicts(row.messages),
                "completion": [{"role": "assistant", "content": row.completion}],
            }
            for row in rows
        ]
    )


def fitting(rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase, most: int) -> list[Row]:
    """The rows of at most so many tokens; a longer one would be cut, and its end not learnt."""
    lengths = [tokens(row, tokenizer) for row in rows]
    fit = [row for row, length in zip(rows, lengths, strict=True) if length <= most]
    long = [row.example for row, length in zip(rows, lengths, strict=True) if length > most]
    if len(long) > len(rows) / 100:
        raise TrainingError(
            f"{len(long)} of {len(rows)} rows have over {most} tokens (at most 1 % may): {', '.join(long[:5])}. "
            "Show fewer passages, or raise training.max_tokens."
        )
    if long:
        logger.warning("Left out %d of %d rows: they have over %d tokens.", len(long), len(rows), most)
    return fit


def check_end_is_learnt(trainer: SFTTrainer, tokenizer: PreTrainedTokenizerBase) -> None:
    """An adapter that never learnt to stop never stops: the end token must be among the labels."""
    batch = next(iter(trainer.get_train_dataloader()))
    ended = (batch["labels"] == tokenizer.eos_token_id).any(dim=1)
    if not bool(ended.all()):
        raise TrainingError(f"{int((~ended).sum())} of {len(ended)} rows do not train {tokenizer.eos_token!r}.")


def save(model: PeftModel, folder: Path, base: str) -> Path:
    """PEFT's two files, as little as the gate asks for: bfloat16 weights, no path of this machine."""
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
    weights = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(folder / WEIGHTS).items()}
    broken = [name for name, tensor in weights.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise Diverged(f"Training diverged: {len(broken)} weights are not finite. Lower the learning rate.")
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    kept = {key: value for key, value in config.items() if key in MEANT}
    kept |= {"base_model_name_or_path": base, "target_modules": sorted(config["target_modules"])}
    (folder / CONFIG).write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return folder


def losses(trainer: SFTTrainer) -> tuple[dict[str, float], ...]:
    keep = ("step", "loss", "eval_loss", "eval_grounded")
    history: list[dict[str, Any]] = trainer.state.log_history
    return tuple({key: entry[key] for key in keep if key in entry} for entry in history)
