"""A LoRA adapter on the embedder: checked against its card, then added to the weights for good."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest.models import ModelError, file_sha256

if TYPE_CHECKING:
    from torch import Tensor, nn

CARD, CONFIG, ADAPTER_WEIGHTS = "card.json", "adapter_config.json", "adapter_model.safetensors"
PREFIX, SIDES = "base_model.model.", ("lora_A", "lora_B")
SHA256 = r"^[0-9a-f]{64}$"


class EmbedderCard(BaseModel):
    """What the adapter was made for and from. `scores` are of the examples that training did not see."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    created: str
    embedder_sha256: str = Field(pattern=SHA256)
    weights_sha256: str = Field(pattern=SHA256)
    config_sha256: str = Field(pattern=SHA256)
    rows_sha256: str = Field(pattern=SHA256)
    questions: int
    held_back: tuple[str, ...]
    recipe: dict[str, Any]
    libraries: dict[str, str]
    machine: str
    minutes: float
    scores: dict[str, dict[str, float]]


class LoraConfig(BaseModel):
    """What decides the weights in PEFT's configuration. Plain LoRA only: anything else would be added wrongly."""

    peft_type: Literal["LORA"]
    r: int = Field(gt=0)
    lora_alpha: float = Field(gt=0)
    bias: Literal["none"] = "none"
    use_rslora: Literal[False] = False
    use_dora: Literal[False] = False
    rank_pattern: dict[str, int] = Field(default={}, max_length=0)
    alpha_pattern: dict[str, int] = Field(default={}, max_length=0)


def check_adapter(folder: Path, embedder_sha256: str) -> EmbedderCard:
    """The card of a whole adapter for this embedder. Raises ModelError that says what does not fit."""
    try:
        card = EmbedderCard.model_validate_json((folder / CARD).read_bytes())
        made = {name: file_sha256(folder / name) for name in (ADAPTER_WEIGHTS, CONFIG)}
        scale_of(folder)
    except (OSError, ValidationError) as error:
        raise ModelError(f"{folder} is not an adapter for an embedder: {error}") from error
    if made != {ADAPTER_WEIGHTS: card.weights_sha256, CONFIG: card.config_sha256}:
        raise ModelError(
            f"The adapter {folder} is not what its {CARD} says: a file was changed. Restore the folder."
        )
    if card.embedder_sha256 != embedder_sha256:
        raise ModelError(
            f"The adapter {folder} was made for another embedder ({card.embedder_sha256[:12]}) than the configured "
            f"one ({embedder_sha256[:12]}). Set embedder.adapter to null, or train one for it."
        )
    return card


def add_adapter(network: "nn.Module | None", folder: Path) -> None:
    """Add B A alpha / rank to each weight that the adapter names; nothing is left that could be switched off.

    Not through PEFT: its import takes as long as the network's, and a merged weight costs nothing a question.
    Raises ModelError where a weight does not fit, is not finite, or nothing would change.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from torch import no_grad

    try:
        weights = load_file(folder / ADAPTER_WEIGHTS)
    except SafetensorError as error:
        raise ModelError(f"The weights of the adapter {folder} cannot be read: {error}") from error
    scale = scale_of(folder)
    places = {name.removeprefix(PREFIX).rpartition(".lora_")[0] for name in weights}
    own = dict(network.named_parameters()) if network is not None else {}
    with no_grad():
        for place in sorted(places):
            weight, added = own_weight(own, place), change(weights, place) * scale
            if added.shape != weight.shape:
                raise ModelError(
                    f"The embedder's adapter does not fit {place}: {tuple(added.shape)}, not {tuple(weight.shape)}."
                )
            weight.add_(added)


def scale_of(folder: Path) -> float:
    config = LoraConfig.model_validate_json((folder / CONFIG).read_bytes())
    return config.lora_alpha / config.r


def own_weight(own: Mapping[str, Any], place: str) -> Any:
    name = f"{place}.weight"
    if name not in own:
        raise ModelError(f"The embedder has no weight {name!r}, which its adapter would change.")
    return own[name]


def change(weights: Mapping[str, "Tensor"], place: str) -> "Tensor":
    """B A of one weight, (outputs, inputs)."""
    try:
        a, b = (weights[f"{PREFIX}{place}.{side}.weight"].float() for side in SIDES)
    except KeyError as error:
        raise ModelError(f"The embedder's adapter lacks {error}.") from None
    if a.ndim != 2 or b.ndim != 2 or b.shape[1] != a.shape[0]:
        raise ModelError(f"The embedder's adapter does not fit {place}: {tuple(b.shape)} times {tuple(a.shape)}.")
    product = b @ a
    if not bool(product.isfinite().all()) or not bool(product.any()):
        raise ModelError(f"The embedder's adapter does not change {place}, or is not finite there. Train it again.")
    return product
