import numpy as np

from adapters.engines.protocol import Generation


def test_what_is_too_small_for_32_bits_does_not_become_an_impossible_zero() -> None:
    smallest = Generation(temperature=1e-46, top_p=1e-46)
    assert smallest.temperature == 0, "the likeliest word, as nearly at any such temperature"
    assert np.float32(smallest.top_p) > 0
    asked = Generation(temperature=1e-5, top_p=1e-5)
    assert (asked.temperature, asked.top_p) == (1e-5, 1e-5)
