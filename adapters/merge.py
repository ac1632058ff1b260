"""A base, with or without an adapter added to its weights: one GGUF file that needs no adapter to act."""

from pathlib import Path

import numpy as np

from adapters.card import WEIGHTS
from adapters.convert import ConversionError, Matrix, alpha, gguf_matrices, read_matrices
from adapters.header import TENSOR, Header, header_of, read_gguf
from ingest.durable import published_file


def merged_gguf(folder: Path | None, base: Path, target: Path) -> Path:
    """Write `base` with the adapter in `folder` added, or without one, to `target`; a file that is there is kept.

    All linear layers become Q8_0: in a base's four bits an adapter's change would be lost, and with or without
    adapter the same arithmetic is to be done. Raises ConversionError.
    """
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with published_file(target) as unfinished:
            write(unfinished, base, folder)
    return target


def kept_merged(base: Path, sha256: str, cache: Path, folder: Path | None = None, weights: str = "base") -> Path:
    """The same in the folder `cache`, by the hashes of base and adapter, for all who serve it."""
    return merged_gguf(folder, base, cache / f"{sha256[:16]}-{weights}.q8_0.gguf")


def write(target: Path, base: Path, folder: Path | None) -> None:
    import gguf

    reader = read_gguf(base)
    added = changes(folder, header_of(reader)) if folder else {}
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        # The writer makes these itself.
        if not key.startswith("GGUF.") and key != "general.architecture":
            writer.add_key_value(key, field.contents(), field.types[0], field.types[-1])
    for tensor in reader.tensors:
        content, kind = np.asarray(tensor.data), tensor.tensor_type
        if TENSOR.fullmatch(tensor.name):
            whole = plus(gguf.quants.dequantize(content, kind), added.pop(tensor.name, None), tensor.name)
            kind = gguf.GGMLQuantizationType.Q8_0
            content = gguf.quants.quantize(whole, kind)
        writer.add_tensor(tensor.name, content, raw_dtype=kind)
    if added:
        raise ConversionError(f"The base has no layer for {len(added)} of the adapter's, such as {min(added)}.")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def changes(folder: Path, base: Header) -> dict[str, Matrix]:
    """GGUF's name of a weight -> what the adapter adds to it: alpha / rank * B A (Hu et al. 2021), as float32."""
    sides = gguf_matrices(read_matrices(folder / WEIGHTS), base)
    strength, names = alpha(folder), {name for name, _ in sides}
    return {
        name: np.float32(strength / len(sides[name, "A"])) * (sides[name, "B"] @ sides[name, "A"]) for name in names
    }


def plus(weights: Matrix, added: Matrix | None, name: str) -> Matrix:
    if added is None:
        return weights
    if weights.shape != added.shape:
        raise ConversionError(f"{name} of the base is {weights.shape}, the adapter's change of it {added.shape}.")
    return weights + added
