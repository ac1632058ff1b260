"""The ranker's network in OpenVINO's form: a language model that only tells what comes next."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs.load import stay_offline
from ingest.models import ModelError

NETWORK = "openvino_model.xml"
# A slice to the end.
END = np.iinfo(np.int64).max

Tokens = NDArray[np.int64]
Logits = NDArray[np.float32]


class Network:
    """One model file that was kept as OpenVINO writes it. Not safe to call from several threads."""

    def __init__(self, folder: Path, threads: int) -> None:
        """`threads` 0: all cores. Raises ModelError."""
        stay_offline()
        import openvino

        options = {"PERFORMANCE_HINT": "LATENCY"} | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
        try:
            core = openvino.Core()
            compiled = core.compile_model(only_next(core.read_model(folder / NETWORK)), "CPU", options)
        except RuntimeError as error:
            raise ModelError(
                f"The ranker's network as kept in {folder} cannot be opened: {error}. Delete the folder; it is "
                "made anew at the next start."
            ) from error
        self._request = compiled.create_infer_request()

    def next(self, tokens: Tokens, given: Tokens) -> Logits:
        """The logits (rows, vocabulary) of what follows `tokens` (rows, n); `given` (rows, n) is 0 where a row is
        filled up in front.
        """
        self._request.reset_state()
        values = {
            "input_ids": tokens,
            "attention_mask": given,
            "position_ids": np.maximum(given.cumsum(axis=1) - 1, 0),
            "beam_idx": np.arange(len(tokens), dtype=np.int32),
        }
        return np.array(self._request.infer(values)["logits"][:, -1], dtype=np.float32)


def only_next(model: Any) -> Any:
    """The vocabulary's logits only at the end: those of a whole passage of 170 tokens would be 33 MB."""
    from openvino import opset13 as ops

    head = model.get_results()[0].input_value(0).node
    last = ops.slice(head.input_value(0), np.array([-1]), np.array([END]), np.array([1]), np.array([1]))
    head.input(0).replace_source_output(last.output(0))
    model.validate_nodes_and_infer_types()
    return model
