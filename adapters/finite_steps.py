"""Training that stays finite: no attention kernel that is known to break gradients, no step with broken ones."""

import logging
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import get_total_norm
from transformers import TrainerControl, TrainerState, TrainingArguments

from adapters.resume import Resumed
from adapters.training_errors import Diverged

logger = logging.getLogger(__name__)

SOUND = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
MOST = 0.01


def sound_attention() -> AbstractContextManager[None]:
    """Attention without cuDNN: with a mask its backward pass gives NaN at some lengths (pytorch issue 196678)."""
    return sdpa_kernel(SOUND)


class FiniteSteps(Resumed):
    """Leaves a step out whose gradients are not finite: taken, it would make every weight NaN for good.

    Not more than 1 % of all steps, or one: then Diverged is raised, instead of minutes that come to nothing.
    """

    def __init__(self) -> None:
        self.left_out: list[int] = []

    def state(self) -> dict[str, Any]:
        return {"args": {}, "attributes": {"left_out": list(self.left_out)}}

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **_: Any,
    ) -> None:
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        if bool(torch.isfinite(get_total_norm(gradients))):
            return
        self.left_out.append(state.global_step + 1)
        if len(self.left_out) > max(1, state.max_steps * MOST):
            raise Diverged(
                f"Training diverged: the gradients of steps {', '.join(map(str, self.left_out))} of "
                f"{state.max_steps} are not finite (at most 1 % may be left out). Lower the learning rate."
            )
        logger.warning("Left out step %d of %d: its gradients are not finite.", self.left_out[-1], state.max_steps)
        model.zero_grad(set_to_none=True)
