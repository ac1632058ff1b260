import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, EarlyStoppingCallback, PreTrainedTokenizerBase, Trainer

from adapters.card import CONFIG, WEIGHTS, write_card
from adapters.examples import Row, as_dicts
from adapters.registry import Registry
from adapters.resume import last_checkpoint
from adapters.train import (
    AnswerTrainer,
    arguments,
    dataset,
    fitting,
    lora,
    save,
    train,
)
from adapters.training_errors import TrainingError
from adapters.verify import verify
from ingest.models import file_sha256
from tests.adapters.small_adapter import BASE_SHA256, LAYERS, SHAPES, WIDTHS, card
from tests.adapters.small_training import ROWS, recipe, row


@pytest.fixture
def tokenizer(tiny_model: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(str(tiny_model))


def test_a_run_learns_and_what_it_saves_passes_the_gate(
    tiny_model: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    trained = train(recipe(), tiny_model, tokenizer, ROWS, ROWS[:2], tmp_path)
    assert trained.steps == 8
    measured = [entry["eval_loss"] for entry in trained.losses if "eval_loss" in entry]
    assert measured[-1] < measured[0]
    weights = load_file(trained.folder / WEIGHTS)
    assert len(weights) == LAYERS * len(WIDTHS) * 2
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert all(tensor.isfinite().all() for tensor in weights.values())
    assert any(tensor.any() for name, tensor in weights.items() if "lora_B" in name)
    write_card(card(file_sha256(trained.folder / WEIGHTS)), trained.folder)
    added = Registry(tmp_path / "none", tmp_path / "own").add("style", trained.folder)
    assert verify(added.folder, BASE_SHA256, SHAPES).weights_sha256 == file_sha256(trained.folder / WEIGHTS)
    assert str(tmp_path) not in (trained.folder / CONFIG).read_text(), "no path of this machine"


def test_a_run_can_go_on_from_an_adapter(
    tiny_model: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    first = train(recipe(), tiny_model, tokenizer, ROWS, ROWS[:2], tmp_path / "first")
    second = train(recipe(), tiny_model, tokenizer, ROWS, ROWS[:2], tmp_path / "second", first.folder)
    measured = [[entry["loss"] for entry in one.losses if "loss" in entry] for one in (first, second)]
    assert measured[1][0] < measured[0][0]
    before, after = (load_file(one.folder / WEIGHTS) for one in (first, second))
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_stopped_run_goes_on_from_its_last_whole_checkpoint(
    tiny_model: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        trainer(tiny_model, tokenizer, tmp_path).train()
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-4")
    (tmp_path / "checkpoint-6").mkdir()  # as a kill while saving leaves it
    mark_first_evaluation(tmp_path / "checkpoint-4" / "trainer_state.json")
    resumed = train(recipe(), tiny_model, tokenizer, ROWS, ROWS[:2], tmp_path)
    assert resumed.steps == 8
    measured = {entry["step"]: entry["eval_loss"] for entry in resumed.losses if "eval_loss" in entry}
    assert list(measured) == [2, 4, 6, 8]
    assert measured[2] == MARK, "the first steps were not made again"
    assert measured[8] < measured[4]


MARK = 99.0


def mark_first_evaluation(state: Path) -> None:
    content = json.loads(state.read_text())
    next(entry for entry in content["log_history"] if "eval_loss" in entry)["eval_loss"] = MARK
    state.write_text(json.dumps(content))


class Stopped(AnswerTrainer):
    """Is killed in its sixth step."""

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == 5:
            raise KeyboardInterrupt
        return super().training_step(*args, **kwargs)


def trainer(model: Path, tokenizer: PreTrainedTokenizerBase, work: Path, rows: Sequence[Row] = ROWS) -> Stopped:
    values = recipe()
    return Stopped(
        choice_tokens=0,
        choice_weight=1,
        model=str(model),
        args=arguments(values.training, work),
        train_dataset=dataset(rows),
        eval_dataset=dataset(ROWS[:2]),
        processing_class=tokenizer,
        peft_config=lora(values.lora),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=values.training.patience)],
    )


def test_its_loss_is_that_of_the_library(
    tiny_model: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    longer = replace(ROWS[1], completion=f"{ROWS[1].completion} Please come by the main door.")
    ours = trainer(tiny_model, tokenizer, tmp_path, [ROWS[0], longer])
    batch = next(iter(ours.get_train_dataloader()))
    labels = batch["labels"]
    assert (labels == -100).any(), "the prompt is not trained"
    assert not batch["attention_mask"].all(), "some rows are filled up, and no mask tells the model"
    with torch.no_grad():
        loss = float(ours.compute_loss(ours.model, batch))
        with ours.accelerator.autocast():
            logits = ours.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    expected = torch.nn.functional.cross_entropy(logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten())
    assert loss == pytest.approx(float(expected), rel=1e-3)


def test_the_first_tokens_of_each_answer_weigh_more(
    tiny_model: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    ours = trainer(tiny_model, tokenizer, tmp_path)
    ours.choice_tokens, ours.choice_weight = 2, 5
    wanted = torch.tensor([[False, True, True, True], [False, False, False, True], [True, True, False, True]])
    assert ours.weights(wanted).tolist() == [5, 5, 1, 5, 5, 5, 1]


def test_rows_that_are_too_long_are_refused(
    tiny_model: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    rows = [*ROWS, row(8, "word " * 50)]
    with pytest.raises(TrainingError, match=r"1 of 9 rows have over 120 tokens .*: e8"):
        train(recipe(), tiny_model, tokenizer, rows, ROWS[:2], tmp_path)


def test_one_long_row_in_a_hundred_is_left_out_whole(tokenizer: PreTrainedTokenizerBase) -> None:
    rows = [*(row(number) for number in range(99)), row(99, "word " * 50)]
    assert fitting(rows, tokenizer, 120) == rows[:99]


def test_a_row_whose_end_is_not_learnt_is_refused(
    tiny_model: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    with pytest.raises(TrainingError, match=r"do not train '<\|im_end\|>'"):
        train(recipe(), tiny_model, tokenizer, ROWS, ROWS[:2], tmp_path)


def test_weights_that_are_not_finite_are_refused(
    tiny_model: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    model = trainer(tiny_model, tokenizer, tmp_path).model
    next(value for name, value in model.named_parameters() if "lora_B" in name).data.fill_(float("nan"))
    with pytest.raises(TrainingError, match="1 weights are not finite"):
        save(model, tmp_path / "adapter", "a base")


def test_the_library_still_has_the_step_before_which_processes_wait_for_each_other() -> None:
    assert "_save_rng_state" in vars(Trainer)


def test_messages_become_the_roles_of_chat_templates() -> None:
    assert as_dicts(row(1).messages) == [
        {"role": "system", "content": "Answer."},
        {"role": "user", "content": "When is 1?"},
    ]
