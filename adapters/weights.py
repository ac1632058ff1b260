"""The matrices of a LoRA adapter: all that its base and configuration call for, no others, every value finite."""

import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from adapters.header import LINEAR, Shapes

KEY = re.compile(
    r"base_model\.model\.(model\.layers\.(0|[1-9][0-9]{0,3})\.[a-z_]{1,32}\.([a-z_]{1,32}))\.lora_([AB])\.weight"
)
KINDS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}

Tensor = Mapping[str, Any]


class WeightsError(ValueError):
    """Weights that are not the matrices that were expected; the message says which and why."""


def check_weights(content: bytes, rank: int, modules: Collection[str], shapes: Shapes | None) -> None:
    """A (rank, inputs) and B (outputs, rank) for each of `modules` in every layer of the base.

    `content` is the safetensors file: the very bytes whose hash was compared. Without `shapes`, where the
    base is on another machine, the layers are those from the first to the last that the weights name.
    """
    try:
        tensors: dict[str, Tensor] = dict(deserialize(content))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise WeightsError(f"its weights cannot be read: {error}") from error
    check_names(tensors.keys(), modules, shapes)
    # Sorted, so that the same folder is always refused for the same weight.
    for name in sorted(tensors):
        check_matrix(name, tensors[name], rank, shapes)


def check_names(found: Collection[str], modules: Collection[str], shapes: Shapes | None) -> None:
    foreign = sorted(name for name in found if not (match := KEY.fullmatch(name)) or match[3] not in modules)
    if foreign:
        raise WeightsError(f"{foreign[0][:200]} is not a LoRA weight of {', '.join(sorted(modules))}.")
    places = shapes.keys() if shapes is not None else places_up_to_last(found)
    fitting = [place for place in places if place.rpartition(".")[2] in modules]
    expected = {f"base_model.model.{place}.lora_{side}.weight" for place in fitting for side in "AB"}
    if unexpected := sorted(set(found) - expected):
        raise WeightsError(f"{len(unexpected)} weights have no place on the base, such as {unexpected[0]}.")
    if missing := sorted(expected - set(found)):
        raise WeightsError(f"{len(missing)} of {len(expected)} weights are missing, such as {missing[0]}.")
    if not expected:
        raise WeightsError("there are no weights.")


def places_up_to_last(found: Collection[str]) -> set[str]:
    layers = [int(match[2]) for name in found if (match := KEY.fullmatch(name))]
    return {f"model.layers.{layer}.{name}" for layer in range(max(layers, default=-1) + 1) for name in LINEAR}


def check_matrix(name: str, tensor: Tensor, rank: int, shapes: Shapes | None) -> None:
    """Its kind, shape and values, in this order: nothing is computed with a matrix of another shape."""
    match = KEY.fullmatch(name)
    assert match, "check_names let it through"
    outputs, inputs = shapes[match[1]] if shapes is not None else (None, None)
    expected = (rank, inputs) if match[4] == "A" else (outputs, rank)
    if tensor["dtype"] not in KINDS:
        raise WeightsError(f"{name} has the type {tensor['dtype']}, expected {', '.join(KINDS)}.")
    if not fits(tensor["shape"], expected):
        text = " x ".join(str(size or "any") for size in expected)
        got = " x ".join(map(str, tensor["shape"]))
        raise WeightsError(f"{name} has the shape {got}, expected {text} at rank {rank}.")
    if not np.isfinite(values(tensor)).all():
        raise WeightsError(f"{name} has values that are not finite.")


def fits(got: list[int], expected: tuple[int | None, int | None]) -> bool:
    """None stands for any size but zero."""
    if len(got) != 2:
        return False
    return all(size == one or (one is None and size > 0) for size, one in zip(got, expected, strict=True))


def values(tensor: Tensor) -> NDArray[np.floating[Any]]:
    flat = np.frombuffer(tensor["data"], KINDS[tensor["dtype"]])
    # numpy has no bfloat16: it is the upper half of a float32.
    return (flat.astype("<u4") << 16).view("<f4") if tensor["dtype"] == "BF16" else flat
