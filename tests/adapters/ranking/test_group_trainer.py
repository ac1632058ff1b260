import math
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("trl")

from adapters.asked import Asked
from adapters.base import gguf_tokenizer, load_tokenizer
from adapters.card import WEIGHTS
from adapters.ranking.group_trainer import (
    Collator,
    GroupTrainer,
    check_both,
    fitting_groups,
    group_loss,
    train_groups,
)
from adapters.ranking.groups import groups_of
from adapters.recipe import Groups, RankingRecipe
from adapters.training_errors import TrainingError
from ingest.models import file_sha256
from tests.adapters.small_training import recipe


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


def test_a_group_with_a_prompt_that_is_too_long_is_left_out_and_many_of_them_are_refused(gguf: Path) -> None:
    tokenizer, values = gguf_tokenizer(gguf), Groups(others=1, nearest=1, withheld=0)
    short, long = Asked("when?", "at noon", ("it costs $3",)), Asked("when?", "at noon", ("so " * 200,))
    groups = list(groups_of([*[short] * 60, long], values, 1))
    assert fitting_groups(groups, tokenizer, 100) == groups[:-1]
    with pytest.raises(TrainingError, match="over 100 tokens"):
        fitting_groups(groups[-3:], tokenizer, 100)


def test_questions_are_left_to_train_and_to_evaluate_on() -> None:
    groups = list(
        groups_of([Asked("when?", "at noon", ("it costs $3",))], Groups(others=1, nearest=1, withheld=0), 1)
    )
    check_both(groups, groups)
    with pytest.raises(TrainingError, match="there are 1 and 0"):
        check_both(groups, [])
    with pytest.raises(TrainingError, match="there are 0 and 1"):
        check_both([], groups)


def test_a_ranker_that_came_to_its_end_is_not_trained_on(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[str, Any] = {
        name: getattr(recipe(max_tokens=2000), name) for name in ("name", "data", "lora", "training")
    }
    ranking = RankingRecipe(**values, groups=Groups(others=1, nearest=1, withheld=0))
    groups = list(groups_of([Asked("when?", "at noon", ("it costs $3",))] * 4, ranking.groups, 1))
    first = train_groups(ranking, tiny_model, load_tokenizer(tiny_model), groups, groups[:1], tmp_path)
    weights = file_sha256(first.folder / WEIGHTS)
    monkeypatch.setattr(GroupTrainer, "training_step", None)
    again = train_groups(ranking, tiny_model, load_tokenizer(tiny_model), groups, groups[:1], tmp_path)
    assert (again.steps, file_sha256(again.folder / WEIGHTS)) == (first.steps, weights)
    assert 0 < again.minutes <= first.minutes
