import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoTokenizer, TrainerControl, TrainerState, TrainingArguments

from adapters.finite_steps import FiniteSteps, sound_attention
from adapters.train import train
from adapters.training_errors import Diverged
from tests.adapters.small_training import ROWS, recipe


class Model(torch.nn.Module):
    """Two weights with gradients, and one without."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.still = (torch.nn.Parameter(torch.ones(2)) for _ in range(3))

    def learnt(self, *gradients: float) -> "Model":
        for weight, value in zip((self.first, self.second), gradients, strict=True):
            weight.grad = torch.full((2,), value)
        return self


def step(steps: FiniteSteps, number: int, of: int, model: Model, folder: Path) -> None:
    state = TrainerState(global_step=number - 1, max_steps=of)
    steps.on_pre_optimizer_step(TrainingArguments(output_dir=str(folder)), state, TrainerControl(), model=model)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_step_with_a_broken_gradient_changes_no_weight(
    broken: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    steps, model = FiniteSteps(), Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    step(steps, 1, 10, model.learnt(0.5, 0.5), tmp_path)
    assert model.first.grad is not None, "a sound one goes on"
    with caplog.at_level(logging.WARNING):
        step(steps, 2, 10, model.learnt(0.5, broken), tmp_path)
    optimizer.step()
    assert steps.left_out == [2] and "Left out step 2 of 10" in caplog.text
    assert [bool((weight == 1).all()) for weight in model.parameters()] == [True] * 3


def test_more_than_one_in_a_hundred_is_no_accident(tmp_path: Path) -> None:
    steps, model = FiniteSteps(), Model()
    for number in (7, 99):
        step(steps, number, 200, model.learnt(1.0, float("nan")), tmp_path)
    with pytest.raises(Diverged, match=r"steps 7, 99, 100 of 200 are not finite .* Lower the learning rate"):
        step(steps, 100, 200, model.learnt(float("nan"), 1.0), tmp_path)


class ThirdBroken(FiniteSteps):
    """The gradients of the third step become NaN, as a kernel of the GPU may make them."""

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step == 2:
            next(weight.grad for weight in model.parameters() if weight.grad is not None).fill_(float("nan"))
        super().on_pre_optimizer_step(args, state, control, model)


def test_a_training_ends_with_finite_weights_where_one_step_went_wrong(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("adapters.train.FiniteSteps", ThirdBroken)
    trained = train(recipe(), tiny_model, AutoTokenizer.from_pretrained(str(tiny_model)), ROWS, ROWS[:2], tmp_path)
    assert trained.steps == 8 and "Left out step 3 of 8" in caplog.text
    measured = [entry["eval_loss"] for entry in trained.losses if "eval_loss" in entry]
    assert measured[-1] < measured[0]


def test_attention_works_without_cudnn() -> None:
    q = torch.rand(1, 2, 5, 8)
    with sound_attention():
        found = scaled_dot_product_attention(q, q, q, is_causal=True)
        assert not torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
    assert torch.allclose(found, scaled_dot_product_attention(q, q, q, is_causal=True))
