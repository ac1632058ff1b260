import math

import pytest
import torch

pytest.importorskip("trl")

from adapters.ranking.group_trainer import Collator, group_loss


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


def test_the_right_one_is_told_for_itself_and_from_its_rivals() -> None:
    loss = group_loss(torch.tensor([2.0, -1.0, 0.0]), answered=True)
    alone = softplus(-2) + (softplus(-1) + softplus(0)) / 2
    rivals = math.log(math.exp(2) + math.exp(-1) + math.exp(0)) - 2
    assert float(loss) == pytest.approx(alone + rivals)


def test_where_none_answers_all_wrong_ones_count_as_one() -> None:
    assert float(group_loss(torch.tensor([2.0, -1.0]), answered=False)) == pytest.approx(
        (softplus(2) + softplus(-1)) / 2
    )


def test_a_single_passage_that_answers_has_no_rivals() -> None:
    assert float(group_loss(torch.tensor([0.5]), answered=True)) == pytest.approx(softplus(-0.5))


def test_prompts_of_all_groups_end_in_the_same_column() -> None:
    batch = Collator(0)([{"prompts": [[5, 6, 7], [8]], "answered": True}, {"prompts": [[9, 9]], "answered": False}])
    assert batch["input_ids"].tolist() == [[5, 6, 7], [0, 0, 8], [0, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [0, 0, 1], [0, 1, 1]]
    assert (batch["sizes"].tolist(), batch["answered"].tolist()) == ([2, 1], [True, False])
