from pathlib import Path

import pytest
import torch

from adapters.answer_scores import answer_score, answer_scores, encoded
from adapters.base import load_tokenizer
from adapters.train import AnswerTrainer, adapted, arguments, dataset
from tests.adapters.conftest import MakeAdapter
from tests.adapters.small_training import ROWS, recipe, row


def test_a_rows_loss_is_that_of_training(tiny_model: Path, make_adapter: MakeAdapter, tmp_path: Path) -> None:
    tokenizer, adapter = load_tokenizer(tiny_model), make_adapter()
    trainer = AnswerTrainer(
        choice_tokens=3,
        choice_weight=4,
        model=adapted(tiny_model, adapter),
        args=arguments(recipe(batch_size=1).training, tmp_path),
        train_dataset=dataset(ROWS[:1]),
        eval_dataset=dataset(ROWS[:1]),
        processing_class=tokenizer,
    )
    with torch.no_grad():
        expected = float(trainer.compute_loss(trainer.model, next(iter(trainer.get_train_dataloader()))))
    (found,) = answer_scores(tiny_model, adapter, tokenizer, ROWS[:1], 3, 4)
    assert found.loss == pytest.approx(expected, rel=0.02)


def test_what_the_model_says_by_itself_is_all_right(tiny_model: Path, make_adapter: MakeAdapter) -> None:
    model, tokenizer = adapted(tiny_model, make_adapter()), load_tokenizer(tiny_model)
    ids, start = encoded(row(1), tokenizer, "cpu")
    assert tokenizer.decode(ids[0, start:]) == "From ten. Call us.<|im_end|>\n"
    model.eval()
    said = model.generate(input_ids=ids[:, :start], max_new_tokens=12, do_sample=False)
    assert answer_score(model, said, start, 0, 1).right == 1
    said[0, -3:] = (said[0, -3:] + 1) % 200
    assert answer_score(model, said, start, 0, 1).right < 1
