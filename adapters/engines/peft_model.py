"""torch's model and PEFT's adapters, a row of the batch under each: what only the owner thread calls."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from adapters.engines.protocol import AdapterRefused, AdapterWeights, EngineError, PromptTooLong


@dataclass
class Owned:
    """The model with its adapters. Only the owner thread calls these methods.

    PEFT keeps the active adapter in the modules, and its own way of mixing adapters in a batch leaves hooks behind
    when a step fails: the next answer is another adapter's, without an error. So PEFT's adapters stay switched off
    here and PEFT only loads them; one hook on each layer adds `B A x * scaling` (LoRA, arXiv:2106.09685) to the
    rows whose adapter it is.
    """

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    context_tokens: int
    hooks: list[Any] = field(default_factory=list)
    layers: Counter[str] = field(default_factory=Counter)
    acting: list[tuple[str, slice]] = field(default_factory=list)
    added: Counter[str] = field(default_factory=Counter)

    def load(self, adapter: AdapterWeights) -> None:
        """Raises AdapterRefused where a weight has no place on this base, or a place no weight: PEFT only warns."""
        try:
            astray = self.loaded_astray(module_name(adapter.name), adapter.folder)
        except (RuntimeError, ValueError) as error:
            self.unload(adapter.name)
            raise AdapterRefused(f"The adapter {adapter.name} does not fit this base: {error}") from error
        finally:
            self.take_over()
        if astray:
            self.unload(adapter.name)
            raise AdapterRefused(
                f"{len(astray)} weights of the adapter {adapter.name} and layers of this base do not match, "
                f"such as {astray[0]}."
            )

    def loaded_astray(self, name: str, folder: str) -> list[str]:
        """Load it; the names of weights and layers that do not belong together."""
        device = str(self.model.device)
        if not isinstance(self.model, PeftModel):
            self.model = PeftModel(self.model, LoraConfig.from_pretrained(folder), adapter_name=name).eval()
        result = self.model.load_adapter(folder, adapter_name=name, torch_device=device)
        return [*result.missing_keys, *result.unexpected_keys]

    def unload(self, adapter: str) -> None:
        """The last adapter takes PEFT's layers with it: without one, PEFT's model cannot answer."""
        name = module_name(adapter)
        if isinstance(self.model, PeftModel) and name in self.model.peft_config:
            if others := [other for other in self.model.peft_config if other != name]:
                self.model.set_adapter(others[0])
                self.model.delete_adapter(name)
            else:
                self.model = self.model.unload()
        self.take_over()

    def take_over(self) -> None:
        """PEFT's own adding off, ours on every layer, once."""
        if isinstance(self.model, PeftModel):
            self.model.base_model.disable_adapter_layers()
        for hook in self.hooks:
            hook.remove()
        layers = [module for module in self.model.modules() if hasattr(module, "lora_B")]
        self.hooks = [layer.register_forward_hook(self.add) for layer in layers]
        self.layers = Counter(name for layer in layers for name in layer.lora_B)

    def add(self, layer: Any, inputs: tuple[torch.Tensor, ...], result: torch.Tensor) -> None:
        """The adapters' part of one layer's output, in its place."""
        if not layer.disable_adapters:
            raise EngineError("PEFT's own adapters were switched on by another hand; nothing was generated.")
        for name, rows in self.acting:
            if name in layer.lora_B:
                weights = layer.lora_A[name].weight
                change = layer.lora_B[name](layer.lora_A[name](inputs[0][rows].to(weights.dtype)))
                result[rows] += change * layer.scaling[name]
                self.added[name] += rows.stop - rows.start

    @torch.inference_mode()
    def forward(self, read: torch.Tensor, adapters: Sequence[str | None], **inputs: Any) -> torch.Tensor:
        """The logits (rows, kept, vocabulary) of token ids `read` (rows, n), each row under its own adapter.

        `inputs` go to the model. Raises AdapterRefused where one is not loaded, and EngineError where the layers do
        not tell that each acted on its rows in all of its layers.
        """
        self.acting, self.added = list(self.groups(adapters)), Counter()
        logits: torch.Tensor = self.plain(input_ids=read, **inputs).logits
        expected: Counter[str] = Counter()
        for name, rows in self.acting:
            expected[name] += self.layers[name] * (rows.stop - rows.start)
        if self.added != expected:
            raise EngineError(
                f"All layers taken together, adapters were to act on {dict(expected)} rows and acted on "
                f"{dict(self.added)}; nothing was generated."
            )
        return logits

    @property
    def plain(self) -> Any:
        return self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model

    def groups(self, adapters: Sequence[str | None]) -> Iterator[tuple[str, slice]]:
        """Neighbouring rows of the same adapter; those of the base are left out."""
        start = 0
        for adapter, rows in groupby(adapters):
            end = start + len(list(rows))
            if adapter is not None:
                if not self.layers[module_name(adapter)]:
                    raise AdapterRefused(f"The adapter {adapter} is not loaded; nothing was generated.")
                yield module_name(adapter), slice(start, end)
            start = end

    def tokenized(self, messages: list[dict[str, Any]], max_tokens: int) -> torch.Tensor:
        """The prompt's ids (1, n) in the base's own chat template. Raises PromptTooLong."""
        prompt: torch.Tensor = self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
        )["input_ids"]
        if prompt.shape[1] + max_tokens > self.context_tokens:
            raise PromptTooLong(
                f"The prompt has {prompt.shape[1]} tokens and the answer may have {max_tokens}; the context "
                f"holds {self.context_tokens}. Show fewer passages or raise engine.context_tokens."
            )
        return prompt.to(self.model.device)


def module_name(adapter: str) -> str:
    """PEFT puts the name into module paths, where a dot parts. No two adapters may share one."""
    return adapter.replace("_", "_u").replace(".", "_d")
