"""The ranker's network in OpenVINO's form: a language model that only tells how likely an answer's tokens are."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.models import ModelError

NETWORK = "openvino_model.xml"
# A slice to the end.
END = np.iinfo(np.int64).max

Tokens = NDArray[np.int64]
Likelihoods = NDArray[np.float32]


class Network:
    """One model file that was kept as OpenVINO writes it. Not safe to call from several threads."""

    def __init__(self, folder: Path, threads: int) -> None:
        """`threads` 0: all cores. Raises ModelError."""
        import openvino

        options = {"PERFORMANCE_HINT": "LATENCY"} | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
        try:
            core = openvino.Core()
            compiled = core.compile_model(scoring(core.read_model(folder / NETWORK)), "CPU", options)
        except RuntimeError as error:
            raise ModelError(
                f"The ranker's network as kept in {folder} cannot be opened: {error}. Delete the folder; it is "
                "made anew at the next start."
            ) from error
        self._request = compiled.create_infer_request()

    def likelihoods(self, tokens: Tokens, given: Tokens, answers: Tokens) -> Likelihoods:
        """The log-likelihoods (rows, m) of the answers' tokens (rows, m) after the rows' `tokens` (rows, n), whose
        last m - 1 are the answers' own; `given` (rows, n) is 0 where a row is filled up in front.
        """
        self._request.reset_state()
        values = {
            "input_ids": tokens,
            "attention_mask": given,
            "position_ids": np.maximum(given.cumsum(axis=1) - 1, 0),
            "beam_idx": np.arange(len(tokens), dtype=np.int32),
            "answers": answers,
        }
        return np.array(self._request.infer(values)["likelihoods"], dtype=np.float32)


def scoring(model: Any) -> Any:
    """The vocabulary's logits only where an answer is, and of those only what the answer's tokens get.

    All of them would be 33 MB for a passage of 170 tokens.
    """
    from openvino import opset13 as ops

    result = model.get_results()[0]
    head = result.input_value(0).node
    answers = ops.parameter([-1, -1], np.int64, name="answers")
    answers.output(0).get_tensor().set_names({"answers"})
    axis, length = np.array([1]), ops.gather(ops.shape_of(answers), [1], 0)
    last = ops.slice(head.input_value(0), ops.negative(length), np.array([END]), np.array([1]), axis)
    head.input(0).replace_source_output(last.output(0))
    told = ops.gather_elements(ops.log_softmax(head.output(0), 2), ops.unsqueeze(answers, [2]), 2)
    likelihoods = ops.squeeze(told, [2])
    likelihoods.output(0).get_tensor().set_names({"likelihoods"})
    model.add_parameters([answers])
    model.remove_result(result)
    model.add_results([ops.result(likelihoods)])
    model.validate_nodes_and_infer_types()
    return model
